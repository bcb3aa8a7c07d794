"""Passwords: the rules for new ones, and bcrypt.

A password of at most 72 bytes is hashed exactly as stock NativeAuthenticator does, so that its hashes are valid here
and ours there. bcrypt reads no more than 72 bytes (bcrypt 5 refuses more): a longer one is hashed as NUL +
base64(SHA-256), and since no password may hold a NUL, no short password can be that one's twin.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import secrets
from importlib import resources

import bcrypt

MAX_PASSWORD_BYTES = 1024
"""Longest password in UTF-8 bytes; more is a mistake or an attack."""

_BCRYPT_BYTES = 72
_NUL = b"\x00"
_DIFFERENT = 4
# No l, 1, o, 0, i: a one-time password is read from a screen or paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

ONE_TIME_ROUNDS = 6
"""Cost of the hash of a password that this module made. A hash is made costly because people choose passwords that can
be guessed; nobody guesses 79 bits, whatever a guess costs. A list of 200 people takes a second, not half a minute."""

_LEAST_ROUNDS = 4


def password_rules(minimum: int) -> tuple[str, ...]:
    """The rules in words, for the page."""
    return (
        f"at least {minimum} characters; several words are fine, spaces too",
        "not your username, and not containing it",
        "not one of the passwords that everybody uses",
    )


def password_problem(password: str, *, username: str, minimum: int) -> str | None:  # noqa: PLR0911 - one sentence a rule
    """What is wrong with a new password, in a sentence for the person who typed it; None if nothing is.

    Args:
        password: as typed; leading and trailing spaces count.
        username: of the account.
        minimum: least number of characters.
    """
    size = len(password.encode("utf-8", "surrogatepass"))
    if len(password) < minimum:
        return f"The password is too short: {len(password)} characters. It needs at least {minimum}."
    if size > MAX_PASSWORD_BYTES:
        return f"The password is too long: {size} bytes. At most {MAX_PASSWORD_BYTES} are read."
    if "\x00" in password or not _encodable(password):
        return "The password holds a character that cannot be typed. Choose another one."
    if len(username) > 2 and username.casefold() in password.casefold():
        return "The password contains the username. Choose one that does not."
    if len(set(password)) < _DIFFERENT:
        return f"The password is too simple: it needs at least {_DIFFERENT} different characters."
    if password.casefold() in _common():
        return "The password is one of those that everybody uses and attackers try first. Choose another one."
    return None


def hash_password(password: str, rounds: int) -> bytes:
    """Bcrypt hash of a password. Takes a quarter of a second at 12 rounds: not for the event loop.

    Raises:
        ValueError: the password is longer than `MAX_BYTES` or holds a NUL.
    """
    return bcrypt.hashpw(_material(password), bcrypt.gensalt(rounds))


def verify_password(password: str, hashed: bytes, rounds: int = 0) -> bool:
    """Whether the password has this hash. Takes as long as `hash_password`, whatever the answer.

    Args:
        password: as typed.
        hashed: bcrypt's hash, or `no_password`.
        rounds: take as long as a hash of this cost, or a name would show by the time that its cheaper hash takes.
    """
    try:
        right = bcrypt.checkpw(_material(password), hashed)
    except ValueError:
        right = False
    # 2^r + 2^r + 2^(r+1) + ... + 2^(R-1) = 2^R
    for cost in range(max(_LEAST_ROUNDS, rounds_of(hashed)), rounds):
        bcrypt.checkpw(b"-", no_password(cost))
    return right


def rounds_of(hashed: bytes) -> int:
    """Bcrypt's cost parameter of a hash; 0 where it is none."""
    parts = hashed.split(b"$")
    return int(parts[2]) if len(parts) == 4 and parts[2].isdigit() else 0


def no_password(rounds: int) -> bytes:
    """A hash that no password is known to have: for unknown names and for accounts that have no password yet.

    It is well formed, so that it takes as long to check as any other and stock NativeAuthenticator can read it.
    """
    return b"$2b$%02d$" % rounds + b"." * 53


def is_no_password(hashed: bytes) -> bool:
    """Whether this is `no_password` of any cost."""
    return hashed.endswith(b"." * 53)


def generate_one_time_password() -> str:
    """A password to be read out or printed, and changed at first login (79 bits)."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def _material(password: str) -> bytes:
    raw = password.encode()
    if len(raw) > MAX_PASSWORD_BYTES or _NUL in raw:
        raise ValueError("the password is too long or holds a NUL")
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
    # Upstream's list: the ten thousand most used.
    text = resources.files("nativeauthenticator").joinpath("common-credentials.txt").read_text(encoding="utf-8")
    return frozenset(text.casefold().split("\n"))
