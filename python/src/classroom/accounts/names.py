"""Usernames of new accounts.

Existing accounts of stock NativeAuthenticator may have other names and keep them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from classroom.accounts.errors import AccountError
from classroom.settings.types import NAME_PATTERN
from classroom.typed_text import describe_character, strip_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_USERNAME = 128
"""Characters of `users_info.username`, for existing accounts too."""

_NEW_NAME = re.compile(NAME_PATTERN)
_LETTER = re.compile(r"[a-z0-9._-]")
USERNAME_RULE = (
    "A username has 1 to 32 characters: lower-case letters a to z, digits, dots, dashes, underscores. "
    "It begins with a letter or a digit."
)
# Characters that look like others in many fonts. Only instructors' names are compared, so strictness costs little.
_LOOKS_LIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "3": "e", "5": "s", "8": "b"} | dict.fromkeys("._-"))


def follows_username_rule(name: str) -> bool:
    """Return whether `name` follows the rule for new accounts."""
    return _NEW_NAME.fullmatch(name) is not None


def username_problem(name: str) -> str:
    """Return the message about a name that does not follow the rule: which character it is, and the rule."""
    wrong = next((index for index, letter in enumerate(name) if not _LETTER.fullmatch(letter)), None)
    return USERNAME_RULE if wrong is None else f"In this username, {describe_character(name, wrong)}. {USERNAME_RULE}"


def new_username(typed: str, admins: Iterable[str]) -> str:
    """Return the username for what a person typed at sign-up.

    Only ASCII letters become lower case: the Kelvin sign (U+212A) would become a k, and letters of other alphabets
    could imitate the name of an instructor.

    Args:
        typed: as in the form.
        admins: names from the settings; nobody can sign up with one of them or a name that looks like one.

    Raises:
        AccountError: the name is not allowed; the message states the rule.
    """
    name = strip_text(typed)
    name = name.lower() if name.isascii() else name
    if not follows_username_rule(name):
        raise AccountError(username_problem(name))
    if looks_like_admin(name, admins):
        raise AccountError(
            "This username is reserved for the instructors, or resembles one of their usernames. Choose another one."
        )
    return name


def looks_like_admin(name: str, admins: Iterable[str]) -> bool:
    """Return whether a reader could confuse `name` with one of `admins`."""
    skeleton = _skeleton(name)
    return any(skeleton == _skeleton(admin) for admin in admins)


def _skeleton(name: str) -> str:
    return name.casefold().translate(_LOOKS_LIKE).replace("rn", "m").replace("vv", "w").replace("cl", "d")
