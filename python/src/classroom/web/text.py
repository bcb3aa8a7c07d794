"""Small pieces of text for the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from classroom.db.models import utc_now

if TYPE_CHECKING:
    from datetime import datetime

_STEPS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def time_ago(moment: datetime, at: datetime | None = None) -> str:
    """How long ago, in the largest unit: `3 minutes`."""
    seconds = int(((at or utc_now()) - moment).total_seconds())
    for size, unit in _STEPS:
        if seconds >= size:
            return plural(seconds // size, unit)
    return "less than a minute"


def plural(number: int, unit: str) -> str:
    """`1 minute`, `2 minutes`."""
    return f"{number} {unit}{'' if number == 1 else 's'}"


def join_names(names: tuple[str, ...]) -> str:
    """`ada`, `ada and bob`, `ada, bob and 7 more`."""
    shown = [name if len(name) <= 32 else f"{name[:32]}…" for name in names[:5]]
    rest = len(names) - len(shown)
    if rest:
        shown.append(f"{rest} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def query(**fields: str) -> str:
    """The part of a URL after the question mark."""
    return urlencode(fields)
