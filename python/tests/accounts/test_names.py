from __future__ import annotations

import pytest

from classroom.accounts.errors import AccountError
from classroom.accounts.names import looks_like_admin, new_username

ADMINS = {"teacher", "prof.miller", "admin1"}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ada", "ada"),
        (" Ada ", "ada"),
        ("0x", "0x"),
        ("a.b-c_d", "a.b-c_d"),
        ("a" * 32, "a" * 32),
        ("teacher2", "teacher2"),
    ],
)
def test_a_valid_name_becomes_lower_case(typed: str, name: str) -> None:
    assert new_username(typed, ADMINS) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        ".",
        "..",
        "-a",
        "_a",
        ".a",
        "a b",
        "a/b",
        "a\nb",
        "a%2e",
        "a@b",
        "é",
        "a" * 33,
        "\u212aate",
        "\uff41da",
        "ad\u200ba",
        "\u0430da",
    ],
)
def test_a_name_that_breaks_the_rule_is_refused(typed: str) -> None:
    with pytest.raises(AccountError, match="1 to 32 characters"):
        new_username(typed, ADMINS)


@pytest.mark.attack(43)
@pytest.mark.parametrize(
    "typed",
    [
        "teacher",
        "TEACHER",
        "t3acher",
        "teacher.",
        "tea-cher",
        "te_acher",
        "prof-miller",
        "profmiiler",
        "prof.rniller",
        "adm1n1",
        "adminl",
    ],
)
def test_an_instructors_name_and_similar_names_are_refused(typed: str) -> None:
    with pytest.raises(AccountError, match="reserved for the instructors"):
        new_username(typed, ADMINS)


def test_without_instructors_no_name_is_reserved() -> None:
    assert not looks_like_admin("teacher", ())
