"""Text that people type or paste: characters that nobody sees, and names of characters for messages."""

from __future__ import annotations

import unicodedata

_FORMAT = "Cf"
"""Category of zero width spaces, byte order marks, soft hyphens and marks of the reading direction (UAX #44, 5.7.1)."""


def strip_text(typed: str) -> str:
    """Return text without blanks and invisible characters at its ends, which people paste with what they see."""
    first = next((index for index, letter in enumerate(typed) if not _is_invisible(letter)), len(typed))
    last = next((index for index in range(len(typed), first, -1) if not _is_invisible(typed[index - 1])), first)
    return typed[first:last]


def tidy_text(typed: str) -> str:
    """Return text with composed letters (NFC, UAX #15), without invisible characters, and with single blanks.

    Not for usernames: it makes a K of the Kelvin sign, and two names that look the same would be one.
    """
    visible = "".join(letter for letter in typed if unicodedata.category(letter) != _FORMAT)
    return " ".join(unicodedata.normalize("NFC", visible).split())


def tidy_code(typed: str) -> str:
    """Return a code without blanks, dashes and invisible characters, and with plain digits and letters (NFKC)."""
    dropped = {_FORMAT, "Pd"}
    letters = (letter for letter in typed if not letter.isspace() and unicodedata.category(letter) not in dropped)
    return unicodedata.normalize("NFKC", "".join(letters))


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == _FORMAT


def describe_character(text: str, index: int) -> str:
    """Return which character is where, for a message: `character 3 is é (U+00E9, latin small letter e with acute)`.

    Args:
        text: as typed.
        index: of the character, from 0.
    """
    letter = text[index]
    name = unicodedata.name(letter, "control character").lower()
    shows = letter.isprintable() and not letter.isspace() and not unicodedata.combining(letter)
    code = f"U+{ord(letter):04X}"
    return f"character {index + 1} is {f'{letter} ({code}, {name})' if shows else f'{code} ({name})'}"
