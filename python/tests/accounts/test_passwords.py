from __future__ import annotations

import bcrypt
import pytest

from classroom.accounts import passwords

ROUNDS = 4


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "a" * 72,
        "é" * 36,
        "a" * 73,
        "é" * 37,
        "correct horse battery staple " * 10,
        "x" * passwords.MAX_PASSWORD_BYTES,
    ],
    ids=["short", "72 bytes", "72 bytes of two", "73 bytes", "74 bytes of two", "passphrase", "longest"],
)
def test_a_password_is_checked_to_its_last_letter(password: str) -> None:
    hashed = passwords.hash_password(password, ROUNDS)
    assert passwords.verify_password(password, hashed)
    assert not passwords.verify_password(password[:-1] + "y", hashed)
    assert not passwords.verify_password(password + "y", hashed)
    assert not passwords.verify_password("", hashed)


def test_a_short_password_is_hashed_as_stock_does() -> None:
    assert bcrypt.checkpw(b"a" * 72, passwords.hash_password("a" * 72, ROUNDS))
    assert passwords.verify_password("correct horse", bcrypt.hashpw(b"correct horse", bcrypt.gensalt(ROUNDS)))


@pytest.mark.parametrize("password", ["x" * (passwords.MAX_PASSWORD_BYTES + 1), "a\x00b", "\x00"])
def test_an_ambiguous_password_has_no_hash(password: str) -> None:
    with pytest.raises(ValueError, match="too long or contains a NUL"):
        passwords.hash_password(password, ROUNDS)
    assert not passwords.verify_password(password, passwords.hash_password("a", ROUNDS))


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("123456789", "too short: 9 characters"),
        ("é" * 600, "too long: 1200 bytes"),
        ("1234567890", "too common"),
        ("QWERTYUIOP", "too common"),
        ("my name is Ada!", "contains the username"),
        ("aaaaaaaaaabc", "too simple"),
        ("nul \x00 inside it", "cannot be typed"),
        ("half a pair \ud800", "cannot be typed"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(password: str, message: str) -> None:
    assert message in (passwords.password_problem(password, username="ada", minimum=10) or "")


@pytest.mark.parametrize(
    ("password", "username"),
    [
        ("correct horse", "ada"),
        ("  spaces  count  ", "ada"),
        ("a1b2c3d4e5", "a"),
        ("пароль из слов", "ada"),
        ("x" * 1021 + "abc", "ada"),
    ],
)
def test_a_good_password_is_accepted(password: str, username: str) -> None:
    assert passwords.password_problem(password, username=username, minimum=10) is None


def test_no_password_is_a_valid_hash_that_matches_nothing() -> None:
    hashed = passwords.no_password(ROUNDS)
    assert passwords.is_no_password(hashed)
    assert passwords.rounds_of(hashed) == ROUNDS
    assert not bcrypt.checkpw(b"", hashed)
    assert not bcrypt.checkpw(b"." * 31, hashed)
    assert not passwords.is_no_password(passwords.hash_password("x", ROUNDS))


@pytest.mark.parametrize("hashed", [b"", b"!", b"$2b$x$y", b"$2b$12$short", b"\xff" * 60])
def test_a_broken_hash_matches_nothing(hashed: bytes) -> None:
    assert not passwords.verify_password("anything", hashed)
    assert passwords.rounds_of(hashed) in {0, 12}


def test_one_time_passwords_differ_and_follow_the_rules() -> None:
    made = {passwords.generate_one_time_password() for _ in range(100)}
    assert len(made) == 100
    # A name of letters that generated passwords do not have, as ada could be in one by chance.
    assert all(passwords.password_problem(password, username="oil", minimum=19) is None for password in made)


@pytest.mark.parametrize(
    "typed",
    [
        "abcd-efgh-jkmn-2345",
        "ABCD-EFGH-JKMN-2345",
        " abcd efgh jkmn 2345 ",
        "abcdefghjkmn2345",
        "Abcd\u2013efgh\u2014jkmn\u20102345\n",
    ],
)
def test_a_one_time_password_is_known_however_it_is_typed(typed: str) -> None:
    assert passwords.tidy_one_time_password(typed) == "abcd-efgh-jkmn-2345"


@pytest.mark.parametrize(
    "chosen", ["", "abcd-efgh-jkmn-234", "abcd-efgh-jkmn-2340", "abcd_efgh_jkmn_2345", "four plain words h"]
)
def test_every_other_password_is_used_as_typed(chosen: str) -> None:
    assert passwords.tidy_one_time_password(chosen) == chosen
