"""CSV reader for class lists (name, full name, group) in the encodings and with the separators of spreadsheets.

`csv.Sniffer` guesses from the data and is wrong on short files. This reader takes the separator that gives the most
known headings on the first line.
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
from classroom.typed_text import strip_text, tidy_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 10_000_000
MAX_ROSTER_ROWS = 10_000
_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = 20  # problems

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
        lines = [f"line {line}: {problem}" for line, problem in sorted(problems.items())]
        rest = [f"and {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
        return cls("\n".join([*lines[:_SHOWN], *rest]))


@dataclass(frozen=True)
class RosterRow:
    """One student."""

    line: int
    """Line of the file, from 1."""
    name: str
    full_name: str = ""
    group: str = ""


@dataclass(frozen=True)
class _Columns:
    """Index of each column; -1 where the file does not have it."""

    name: int
    full_name: int = -1
    first_name: int = -1
    last_name: int = -1
    group: int = -1

    @property
    def known(self) -> int:
        return sum(index >= 0 for index in vars(self).values())


def read_roster(path: Path) -> tuple[RosterRow, ...]:
    """Return the rows of a class list.

    Raises:
        RosterCsvError: the file cannot be read or has problems; the message names each line and the remedy.
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
    """Return the rows of a class list. Raises as `read_roster`, without the path."""
    lines, separator = _without_hint(_decode(raw))
    if not "".join(lines).strip():
        raise RosterCsvError(f"is empty; {_WRITE}")
    columns, records = _find_columns(lines, (separator,) if separator else _SEPARATORS)
    rows: list[RosterRow] = []
    problems: dict[int, str] = {}
    first_line: dict[str, int] = {}
    for line, cells in records:
        try:
            row = _row(line, cells, columns)
        except RosterCsvError as error:
            problems[line] = str(error)
            continue
        if (name := row.name.casefold()) in first_line:
            problems[line] = f"{row.name} is listed twice, first on line {first_line[name]}; remove one of the two"
        first_line.setdefault(name, line)
        rows.append(row)
    if problems:
        raise RosterCsvError.of_lines(problems)
    if not rows:
        raise RosterCsvError("has headings only; write a line for each student below")
    if len(rows) > MAX_ROSTER_ROWS:
        raise RosterCsvError(f"has {len(rows)} students; at most {MAX_ROSTER_ROWS} can be imported at once. Split it.")
    return tuple(rows)


def _decode(raw: bytes) -> str:
    """Return the text of a file: by its byte order mark, as UTF-8, or as CP1252 (Windows in Western Europe)."""
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
    raise RosterCsvError("is not a text file; save it as CSV (UTF-8) in the spreadsheet program")


def _without_hint(text: str) -> tuple[list[str], str]:
    """Return the lines, and the separator from Excel's own first line (`sep=;`), which becomes empty."""
    lines = io.StringIO(text, newline="").readlines()
    if hint := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\r\n") if lines else "", re.IGNORECASE):
        return ["\n", *lines[1:]], hint[1]
    return lines, ""


def _find_columns(lines: Sequence[str], separators: Sequence[str]) -> tuple[_Columns, list[tuple[int, list[str]]]]:
    """Return the columns by the separator that gives the most headings, and the records below them."""
    best: tuple[_Columns, str] | None = None
    for separator in separators:
        with contextlib.suppress(RosterCsvError):
            columns = _columns(next(_records(lines, separator), (0, []))[1])
            if columns is not None and (best is None or columns.known > best[0].known):
                best = columns, separator
    if best is None:
        raise RosterCsvError(f"has no column for the username; {_WRITE}")
    return best[0], list(_records(lines, best[1]))[1:]


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not empty, with its first line."""
    # Strict: an unclosed quotation mark would swallow all rows below it.
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    begin = 1
    try:
        for record in reader:
            cells = [strip_text(" ".join(cell.split())) for cell in record]
            if any(cells):
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise RosterCsvError(f"line {begin}: cannot be read as CSV ({error}); save it as CSV again") from error


def _columns(headings: Sequence[str]) -> _Columns | None:
    names = [re.sub(r"[^a-z]", "", heading.casefold()) for heading in headings]

    def index_of(headings: frozenset[str]) -> int:
        return next((index for index, heading in enumerate(names) if heading in headings), -1)

    name, full_name = index_of(_LOGIN), index_of(_FULL_NAME)
    plain_name = index_of(frozenset({_NAME}))
    # "name" is the full name where another column is the username.
    if name < 0:
        name = plain_name
    elif full_name < 0:
        full_name = plain_name
    if name < 0:
        return None
    return _Columns(name, full_name, index_of(_FIRST_NAME), index_of(_LAST_NAME), index_of(_GROUP))


def _row(line: int, cells: Sequence[str], columns: _Columns) -> RosterRow:
    def cell(index: int) -> str:
        return cells[index] if 0 <= index < len(cells) else ""

    name = cell(columns.name)
    if not name:
        raise RosterCsvError("has no username; write one, or remove the line")
    full_name = cell(columns.full_name) or f"{cell(columns.first_name)} {cell(columns.last_name)}".strip()
    return RosterRow(line, name, tidy_text(full_name), tidy_text(cell(columns.group)))
