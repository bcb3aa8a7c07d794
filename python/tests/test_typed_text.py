"""Text as people type and paste it."""

from __future__ import annotations

import pytest

from classroom.accounts.names import new_username
from classroom.accounts.passwords import code_mark
from classroom.accounts.roster_csv import RosterRow, parse_roster
from classroom.accounts.two_factor import matching_step
from classroom.errors import ClassroomError
from classroom.typed_text import describe_character, strip_text, tidy_code, tidy_text

INVISIBLE = {
    "zero width space": "\u200b",
    "byte order mark": "\ufeff",
    "no-break space": "\xa0",
    "soft hyphen": "\xad",
    "right-to-left mark": "\u200f",
    "isolate": "\u2068",
    "word joiner": "\u2060",
}


@pytest.mark.parametrize("letter", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_an_invisible_character_around_a_text_is_dropped(letter: str) -> None:
    pasted = f" {letter}ada{letter}\t"
    assert strip_text(pasted) == tidy_text(pasted) == "ada"
    assert tidy_code(f"12{letter}34-56 ") == "123456"
    assert new_username(pasted, ()) == "ada"
    assert code_mark(f"abcd{letter}efgh") == code_mark("abcd-efgh")
    assert parse_roster(f"name,full name\n{pasted},{letter}Ada  L\n".encode()) == (RosterRow(2, "ada", "Ada L"),)


@pytest.mark.parametrize("letter", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_an_invisible_character_inside_a_username_is_named(letter: str) -> None:
    with pytest.raises(ClassroomError, match=rf"character 3 is U\+{ord(letter):04X} \(.+\)\. A username has"):
        new_username(f"ad{letter}a", ())


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("adé", 2, "character 3 is é (U+00E9, latin small letter e with acute)"),
        ("a\u0301", 1, "character 2 is U+0301 (combining acute accent)"),
        ("a b", 1, "character 2 is U+0020 (space)"),
        ("\x07", 0, "character 1 is U+0007 (control character)"),
        ("a@b", 1, "character 2 is @ (U+0040, commercial at)"),
    ],
)
def test_a_character_is_described_by_place_and_name(text: str, index: int, words: str) -> None:
    assert describe_character(text, index) == words


def test_decomposed_letters_of_a_full_name_are_composed() -> None:
    assert tidy_text("Zoe\u0308") == "Zo\xeb"
    assert strip_text("\u212a") == "\u212a", "the Kelvin sign must not become a K in a username"


@pytest.mark.parametrize("typed", ["287082", "287 082", "287-082", "２８７０８２", "\u200b287082\xa0"])  # noqa: RUF001
def test_a_code_is_accepted_as_phones_and_keyboards_write_it(typed: str) -> None:
    # RFC 4226, appendix D, count 1, which is the step of second 30.
    assert matching_step("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", typed, 30) == 1


def test_a_class_list_is_read_as_spreadsheets_save_it() -> None:
    rows = (RosterRow(2, "ada", "Ada Lovelace", "lab"),)
    text = "name;full name;group\r\nada;Ada Lovelace;lab\r\n"
    for encoding in ("utf-16", "utf-8-sig", "cp1252"):
        for separator in (";", ",", "\t"):
            assert parse_roster(text.replace(";", separator).encode(encoding)) == rows
