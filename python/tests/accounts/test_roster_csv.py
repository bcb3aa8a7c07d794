from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from classroom.accounts.roster_csv import MAX_ROSTER_ROWS, RosterCsvError, RosterRow, parse_roster, read_roster

ADA = (RosterRow(2, "ada", "Ada Löve", "ml"),)
PLAIN = "name,full name,group\nada,Ada Löve,ml\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (PLAIN.encode(), ADA),
        (codecs.BOM_UTF8 + PLAIN.encode(), ADA),
        (PLAIN.encode("cp1252"), ADA),
        (PLAIN.encode("utf-16"), ADA),
        (PLAIN.replace(",", ";").encode(), ADA),
        (PLAIN.replace(",", "\t").encode(), ADA),
        (PLAIN.replace("\n", "\r\n").encode(), ADA),
        (b"sep=;\r\nname;full name;group\r\nada;Ada;ml\r\n", (RosterRow(3, "ada", "Ada", "ml"),)),
        (b"Username, Name ,COURSE\nada, Ada ,ml", (RosterRow(2, "ada", "Ada", "ml"),)),
        (b"Full_Name;Login\nLovelace, Ada;ada\n", (RosterRow(2, "ada", "Lovelace, Ada"),)),
        (b"first name;last name;user name\nAda;Lovelace;ada\n", (RosterRow(2, "ada", "Ada Lovelace"),)),
        (b"name\n\nada\n\n  \nbob\n", (RosterRow(3, "ada"), RosterRow(6, "bob"))),
        (
            b'name,full name\nada,"Ada\nLovelace"\nbob,Bob\n',
            (RosterRow(2, "ada", "Ada Lovelace"), RosterRow(4, "bob", "Bob")),
        ),
        (b'"name";"full name"\n"ada";"Ada; L."\n', (RosterRow(2, "ada", "Ada; L."),)),
        (b"name,full name,group,e-mail\nada,Ada,,ada@example.org\n", (RosterRow(2, "ada", "Ada"),)),
        (b"name,full name\nada\n", (RosterRow(2, "ada"),)),
    ],
    ids=[
        "UTF-8",
        "with a BOM",
        "Windows",
        "UTF-16",
        "semicolons",
        "tabs",
        "CRLF",
        "Excel's hint",
        "name and username",
        "other order, comma in a name",
        "two name columns",
        "empty lines",
        "a line break in a cell",
        "quoted",
        "more columns",
        "a short row",
    ],
)
def test_a_list_is_read_however_it_was_saved(raw: bytes, expected: tuple[RosterRow, ...]) -> None:
    assert parse_roster(raw) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty; write a first line such as: name,full name,group"),
        (b" \r\n\n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (b"name,full name\n", "has headings only"),
        (b"ada,Ada\nbob,Bob\n", "has no column for the username; write a first line"),
        (b"name,full name\n,Ada\nbob,Bob\n,Eve\n", "line 2: has no username.*\nline 4: has no username"),
        (b"name\nada\nbob\nAda\n", "line 4: Ada is listed twice, first on line 2"),
        (b'name,full name\nada,"Ada\nbob,Bob\n', "line 2: cannot be read as CSV"),
        (b"PK\x03\x04\x00\x00name", "is not a text file; save it as CSV"),
        (
            b"name\n" + b"\n".join(b"s%d" % number for number in range(MAX_ROSTER_ROWS + 1)),
            "at most 10000 can be imported",
        ),
        (b"name,full name\n" + b",x\n" * 30, "and 10 more lines"),
    ],
)
def test_problems_are_reported_with_their_line(raw: bytes, message: str) -> None:
    with pytest.raises(RosterCsvError, match=message):
        parse_roster(raw)


def test_a_list_of_five_thousand_students_is_read() -> None:
    raw = "name;full name\n" + "".join(f"s-{number};Student Nº {number}\n" for number in range(5000))
    assert parse_roster(raw.encode("cp1252"))[4999] == RosterRow(5001, "s-4999", "Student Nº 4999")


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RosterCsvError, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        read_roster(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_text("name\nada\nada\n")
    with pytest.raises(RosterCsvError, match=r"bad\.csv: line 3: ada is listed twice"):
        read_roster(tmp_path / "bad.csv")
