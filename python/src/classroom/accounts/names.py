"""Which usernames a new account may have.

Accounts that stock NativeAuthenticator made before may have other names; those are kept, this is for new ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from classroom.accounts.errors import AccountError
from classroom.settings.types import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_USERNAME = 128
"""Characters of `users_info.username`: no account can have a longer name."""

_NEW_NAME = re.compile(NAME_PATTERN)
USERNAME_RULE = (
    "A username has 1 to 32 characters: small letters a to z, digits, dots, dashes, underscores. "
    "The first is a letter or a digit."
)
# Characters that read as others in many fonts. Only compared with instructors' names, so being strict costs little.
_LOOKS_LIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "3": "e", "5": "s", "8": "b"} | dict.fromkeys("._-"))


def follows_username_rule(name: str) -> bool:
    """Whether `name` follows the rule for new accounts."""
    return _NEW_NAME.fullmatch(name) is not None


def new_username(typed: str, admins: Iterable[str]) -> str:
    """The username that a person asks for at sign-up.

    Capital letters are made small. Nothing outside ASCII is: Kelvin's sign (U+212A) would become a k, and letters of
    other alphabets that look like Latin ones could pass for an instructor.

    Args:
        typed: what the form holds.
        admins: names from the settings; they and what looks like them cannot be signed up.

    Raises:
        AccountError: the name is not allowed; the message says what is.
    """
    name = typed.strip()
    name = name.lower() if name.isascii() else name
    if not follows_username_rule(name):
        raise AccountError(USERNAME_RULE)
    if looks_like_admin(name, admins):
        raise AccountError(
            "This username is kept for the instructors, or reads like one of theirs. Choose another one."
        )
    return name


def looks_like_admin(name: str, admins: Iterable[str]) -> bool:
    """Whether a reader could take `name` for one of `admins`."""
    seen = _skeleton(name)
    return any(seen == _skeleton(admin) for admin in admins)


def _skeleton(name: str) -> str:
    return name.casefold().translate(_LOOKS_LIKE).replace("rn", "m").replace("vv", "w").replace("cl", "d")
