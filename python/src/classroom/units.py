"""Units: durations, sizes and shares as people read them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A duration as people say it: ``3 min``, ``2 h 5 min``, ``1 d 4 h``. A clock that was set back gives 0."""
    minutes = max(0, int(seconds // 60))
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def gigabytes(count: int) -> str:
    """Bytes as GB, three digits of them: ``0.5``, ``79.6``."""
    return f"{count / 1e9:.1f}"


def percent(part: float | None) -> str:
    """A part of a whole; nothing where it is not known."""
    return "" if part is None else f"{part:.0%}"
