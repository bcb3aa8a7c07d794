"""Passwords: rules for new ones, bcrypt hashes, one-time passwords.

A password of at most 72 bytes is hashed exactly as stock NativeAuthenticator does, so each accepts the hashes of the
other. bcrypt reads at most 72 bytes (bcrypt 5 refuses more): a longer password is hashed as NUL + base64(SHA-256). No
password may contain a NUL, so no short password has the same hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import secrets
from importlib import resources

import bcrypt

from classroom.typed_text import tidy_code

MAX_PASSWORD_BYTES = 1024
"""Longest password, in UTF-8 bytes."""

_BCRYPT_BYTES = 72
_NUL = b"\x00"
_MIN_DIFFERENT = 4
# Without l, 1, o, 0, i: people read a one-time password from a screen or paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PARTS, _PART = 4, 4  # parts of a generated password, and letters of a part

ONE_TIME_ROUNDS = 6
"""bcrypt's cost for generated passwords. A high cost protects passwords that can be guessed; nobody guesses 79 bits.
With this cost a list of 200 students takes a second instead of half a minute."""

_LEAST_ROUNDS = 4


def password_rules(minimum: int) -> tuple[str, ...]:
    """Return the rules as texts for the page."""
    return (
        f"at least {minimum} characters; several words are fine, spaces too",
        "not your username, and not containing it",
        "not a common password",
    )


def password_problem(password: str, *, username: str, minimum: int) -> str | None:  # noqa: PLR0911 - one sentence a rule
    """Return why a new password is not allowed, as a message for the person who typed it; None if it is allowed.

    Args:
        password: as typed; leading and trailing spaces count.
        username: of the account.
        minimum: least number of characters.
    """
    size = len(password.encode("utf-8", "surrogatepass"))
    if len(password) < minimum:
        return f"The password is too short: {len(password)} characters. It needs at least {minimum}."
    if size > MAX_PASSWORD_BYTES:
        return f"The password is too long: {size} bytes. At most {MAX_PASSWORD_BYTES} are allowed."
    if "\x00" in password or not _encodable(password):
        return "The password contains a character that cannot be typed. Choose another one."
    if len(username) > 2 and username.casefold() in password.casefold():
        return "The password contains the username. Choose one that does not."
    if len(set(password)) < _MIN_DIFFERENT:
        return f"The password is too simple: it needs at least {_MIN_DIFFERENT} different characters."
    if password.casefold() in _common():
        return "This password is too common. Choose another one."
    return None


def hash_password(password: str, rounds: int) -> bytes:
    """Return the bcrypt hash of a password. It takes a quarter of a second at 12 rounds: not for the event loop.

    Raises:
        ValueError: the password is longer than `MAX_BYTES` or contains a NUL.
    """
    return bcrypt.hashpw(_material(password), bcrypt.gensalt(rounds))


def verify_password(password: str, hashed: bytes, rounds: int = 0) -> bool:
    """Return whether the password has this hash. It takes as long as `hash_password` in both cases.

    Args:
        password: as typed.
        hashed: a bcrypt hash, or `no_password`.
        rounds: take as long as a hash of this cost, so that the time does not show which names exist.
    """
    try:
        is_correct = bcrypt.checkpw(_material(password), hashed)
    except ValueError:
        is_correct = False
    # 2^r + 2^r + 2^(r+1) + ... + 2^(R-1) = 2^R
    for cost in range(max(_LEAST_ROUNDS, rounds_of(hashed)), rounds):
        bcrypt.checkpw(b"-", no_password(cost))
    return is_correct


def rounds_of(hashed: bytes) -> int:
    """Return bcrypt's cost parameter of a hash; 0 where it is not a bcrypt hash."""
    parts = hashed.split(b"$")
    return int(parts[2]) if len(parts) == 4 and parts[2].isdigit() else 0


def no_password(rounds: int) -> bytes:
    """Return a hash that matches no known password: for unknown names and for accounts without a password.

    It is well formed: a check takes as long as with any other hash, and stock NativeAuthenticator can read it.
    """
    return b"$2b$%02d$" % rounds + b"." * 53


def is_no_password(hashed: bytes) -> bool:
    """Return whether a hash is `no_password` of any cost."""
    return hashed.endswith(b"." * 53)


def generate_one_time_password() -> str:
    """Return a random password (79 bits) that is easy to read out, and must be changed at the first login."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_PART)) for _ in range(_PARTS))


def tidy_one_time_password(text: str) -> str:
    """Return a generated password as it was written, from one that was typed with blanks, capitals or other dashes.

    Everything else is returned unchanged.
    """
    letters = _letters(text)
    others = {letter for letter in text if not letter.isalnum()}
    is_generated = len(letters) == _PARTS * _PART and set(letters) <= set(_ALPHABET)
    if not is_generated or tidy_code("".join(others)):
        return text
    return "-".join(letters[start : start + _PART] for start in range(0, len(letters), _PART))


def code_mark(code: str) -> str:
    """Return the hash of a generated code, in which capitals, blanks and dashes of any kind make no difference."""
    return hashlib.sha256(_letters(code).encode("utf-8", "replace")).hexdigest()


def _letters(text: str) -> str:
    return "".join(letter for letter in tidy_code(text).lower() if letter.isalnum())


def _material(password: str) -> bytes:
    raw = password.encode()
    if len(raw) > MAX_PASSWORD_BYTES or _NUL in raw:
        raise ValueError("the password is too long or contains a NUL")
    if len(raw) <= _BCRYPT_BYTES:
        return raw
    return _NUL + base64.b64encode(hashlib.sha256(raw).digest())


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def _common() -> frozenset[str]:
    # Upstream's list of the ten thousand most common passwords.
    text = resources.files("nativeauthenticator").joinpath("common-credentials.txt").read_text(encoding="utf-8")
    return frozenset(text.casefold().split("\n"))
