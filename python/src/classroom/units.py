"""Durations, sizes and shares: as the settings write them, and as tables, pages and messages show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def parse_duration(value: object) -> object:
    """Return the seconds of a setting such as ``"90s"``; return what is no text unchanged, for pydantic to judge.

    Raises:
        ValueError: the text is not a duration.
    """
    return _parse(value, _SECONDS, 'write a duration such as "90s", "60m" or "2h"')


def parse_bytes(value: object) -> object:
    """Return the bytes of a setting such as ``"8G"`` (powers of 1024); return what is no text unchanged.

    Raises:
        ValueError: the text is not a size.
    """
    return _parse(value, _BYTES, 'write a size such as "512M" or "4G"')


def _parse(value: object, units: Mapping[str, int], message: str) -> object:
    match = re.fullmatch(rf"(\d+)({'|'.join(units)})", value) if isinstance(value, str) else None
    if match:
        return int(match[1]) * units[match[2]]
    if isinstance(value, str | bool):
        raise ValueError(message)  # noqa: TRY004 - pydantic takes ValueError
    return value


def write_duration(seconds: int) -> str:
    """Return seconds exactly, as a setting: ``"90s"``, ``"2h"``."""
    unit = next((unit for unit in "dhm" if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds // _SECONDS[unit]}{unit}"


def write_bytes(size: int) -> str | int:
    """Return bytes exactly, as a setting: ``"512M"``, ``"8G"``, or a number that is no multiple of 1024."""
    unit = next((unit for unit in "TGMK" if size % _BYTES[unit] == 0), "")
    return f"{size // _BYTES[unit]}{unit}" if unit else size


def format_duration(seconds: float) -> str:
    """Return a duration as people say it: ``3 min``, ``2 h 5 min``, ``1 d 4 h``. A clock that was set back gives 0."""
    minutes = max(0, int(seconds // 60))
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def format_bytes(size: int | None) -> str:
    """Return bytes in the units of the settings, rounded to three digits: ``8G``, ``1.5G``; empty for None."""
    if size is None:
        return ""
    amount = float(size)
    for unit in _BYTES:
        if amount < 1000 or (amount < 1024 and amount.is_integer()) or unit == "T":
            break
        amount /= 1024
    return f"{amount:.{0 if amount >= 100 else 1}f}".removesuffix(".0") + unit


def format_percent(part: float | None) -> str:
    """Return a share between 0 and 1 as a percentage; empty for None."""
    return "" if part is None else f"{part:.0%}"
