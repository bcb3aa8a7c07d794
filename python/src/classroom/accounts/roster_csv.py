"""A class list as a spreadsheet saves it: name, full name, group; whatever the encoding and the separator.

`csv.Sniffer` guesses from the data and is wrong on short files; here the separator is the one that makes known headings
of the first line.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 10_000_000
MAX_ROSTER_ROWS = 10_000
_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = 20  # mistakes

_LOGIN = frozenset({"username", "user", "login", "loginname", "account", "userid", "uid", "benutzername", "kennung"})
_FULL_NAME = frozenset({"fullname", "realname", "displayname", "studentname", "student", "vollername"})
_FIRST_NAME = frozenset({"firstname", "givenname", "forename", "vorname"})
_LAST_NAME = frozenset({"lastname", "surname", "familyname", "nachname"})
_GROUP = frozenset({"group", "course", "class", "section", "groupname", "gruppe", "kurs"})
_NAME = "name"

_WRITE = "write a first line such as: name,full name,group"


class RosterCsvError(ClassroomError):
    """Problems of a roster file, one on each line of the message."""

    @classmethod
    def of_lines(cls, problems: Mapping[int, str]) -> RosterCsvError:
        """Return the error that names each problem with its line in the file."""
        shown = [f"line {line}: {problem}" for line, problem in sorted(problems.items())]
        more = [f"and {len(shown) - _SHOWN} more lines"] if len(shown) > _SHOWN else []
        return cls("\n".join([*shown[:_SHOWN], *more]))


@dataclass(frozen=True)
class RosterRow:
    """One person."""

    line: int
    """Of the file, from 1."""
    name: str
    full_name: str = ""
    group: str = ""


@dataclass(frozen=True)
class _Columns:
    """Where what stands; -1: nowhere."""

    name: int
    full_name: int = -1
    first_name: int = -1
    last_name: int = -1
    group: int = -1

    @property
    def known(self) -> int:
        return sum(place >= 0 for place in vars(self).values())


def read_roster(path: Path) -> tuple[RosterRow, ...]:
    """Read a list.

    Raises:
        ClassListError: it cannot be read, or has mistakes; each is named by its line, and what to write instead.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RosterCsvError(f"{path}: larger than {MAX_FILE_BYTES // 1_000_000} MB; is it the right file?")
        raw = path.read_bytes()
    except OSError as error:
        raise RosterCsvError(f"{path}: cannot be read ({error.strerror}); name a readable CSV file") from error
    try:
        return parse_roster(raw)
    except RosterCsvError as error:
        raise RosterCsvError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def parse_roster(raw: bytes) -> tuple[RosterRow, ...]:
    """The people in a list. Errors as for `read`, without the path."""
    lines, separator = _without_hint(decode(raw))
    if not "".join(lines).strip():
        raise RosterCsvError(f"is empty; {_WRITE}")
    columns, records = _best(lines, (separator,) if separator else _SEPARATORS)
    people: list[RosterRow] = []
    mistakes: dict[int, str] = {}
    first: dict[str, int] = {}
    for line, cells in records:
        try:
            row = _row(line, cells, columns)
        except RosterCsvError as error:
            mistakes[line] = str(error)
            continue
        if (name := row.name.casefold()) in first:
            mistakes[line] = f"{row.name} is listed twice, first on line {first[name]}; leave one of the two"
        first.setdefault(name, line)
        people.append(row)
    if mistakes:
        raise RosterCsvError.of_lines(mistakes)
    if not people:
        raise RosterCsvError("holds headings and nobody; write a line for each person below")
    if len(people) > MAX_ROSTER_ROWS:
        raise RosterCsvError(f"holds {len(people)} people; at most {MAX_ROSTER_ROWS} are read at once. Split it.")
    return tuple(people)


def decode(raw: bytes) -> str:
    """The text of a file: what its first bytes say, or UTF-8, or what Windows in Western Europe writes (CP1252)."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252", "latin-1")
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise RosterCsvError("is not a text; save it as CSV (UTF-8) in the spreadsheet program")


def _without_hint(text: str) -> tuple[list[str], str]:
    """The lines, and the separator that Excel's own first line (`sep=;`) names; that line is left empty."""
    lines = io.StringIO(text, newline="").readlines()
    if hint := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\r\n") if lines else "", re.IGNORECASE):
        return ["\n", *lines[1:]], hint[1]
    return lines, ""


def _best(lines: Sequence[str], separators: Sequence[str]) -> tuple[_Columns, list[tuple[int, list[str]]]]:
    """The columns by the separator that makes most headings, and the records below them."""
    found: tuple[_Columns, str] | None = None
    for separator in separators:
        with contextlib.suppress(RosterCsvError):
            columns = _columns(next(_records(lines, separator), (0, []))[1])
            if columns is not None and (found is None or columns.known > found[0].known):
                found = columns, separator
    if found is None:
        raise RosterCsvError(f"has no column for the username; {_WRITE}")
    return found[0], list(_records(lines, found[1]))[1:]


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line on which it begins."""
    # Strict: a quotation mark that is never closed would swallow everybody below it.
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    begin = 1
    try:
        for record in reader:
            cells = [" ".join(cell.split()) for cell in record]
            if any(cells):
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise RosterCsvError(f"line {begin}: cannot be read as CSV ({error}); save it as CSV again") from error


def _columns(headings: Sequence[str]) -> _Columns | None:
    plain = [re.sub(r"[^a-z]", "", heading.casefold()) for heading in headings]

    def place(known: frozenset[str]) -> int:
        return next((number for number, heading in enumerate(plain) if heading in known), -1)

    name, full_name = place(_LOGIN), place(_FULL_NAME)
    alone = place(frozenset({_NAME}))
    # "name" is the person's where another column holds the login.
    if name < 0:
        name = alone
    elif full_name < 0:
        full_name = alone
    if name < 0:
        return None
    return _Columns(name, full_name, place(_FIRST_NAME), place(_LAST_NAME), place(_GROUP))


def _row(line: int, cells: Sequence[str], columns: _Columns) -> RosterRow:
    def cell(place: int) -> str:
        return cells[place] if 0 <= place < len(cells) else ""

    name = cell(columns.name)
    if not name:
        raise RosterCsvError("has no username; write one, or remove the line")
    full_name = cell(columns.full_name) or f"{cell(columns.first_name)} {cell(columns.last_name)}".strip()
    return RosterRow(line, name, full_name, cell(columns.group))
