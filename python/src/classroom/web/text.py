"""Text of ages, counts and lists of names on pages and in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.db.models import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_SHOWN_NAMES = 5
_SHOWN_LETTERS = 32


def time_ago(moment: datetime, at: datetime | None = None) -> str:
    """Return how long ago a moment was, in the largest unit: `3 minutes`."""
    seconds = int(((at or utc_now()) - moment).total_seconds())
    for size, unit in _UNITS:
        if seconds >= size:
            return plural(seconds // size, unit)
    return "less than a minute"


def plural(number: int, unit: str) -> str:
    """Return a number with its unit: `1 minute`, `2 minutes`."""
    return f"{number} {unit}{'' if number == 1 else 's'}"


def join_names(names: Sequence[str]) -> str:
    """Return a short list of names: `ada`, `ada and bob`, `ada, bob and 7 more`."""
    shown = [name if len(name) <= _SHOWN_LETTERS else f"{name[:_SHOWN_LETTERS]}…" for name in names[:_SHOWN_NAMES]]
    if len(names) > _SHOWN_NAMES:
        shown.append(f"{len(names) - _SHOWN_NAMES} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
