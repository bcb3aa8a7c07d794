"""Times and durations as people type them in options."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import typer

from classroom.errors import ClassroomError

_DURATION = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_LONGEST = 10  # characters of a lifetime
_AGE = re.compile(r"(\d{1,4})([mhdw])")
_LIFETIME_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_time(text: str, after: datetime, option: str) -> datetime:
    """Return the time that a text means, in the time zone of this machine unless the text names another.

    Args:
        text: ``now``; ``15:30``, the next time that the clock shows it; ``90m`` or ``2h`` later; ``2027-01-15 15:30``.
        after: the time from which it counts, with a time zone.
        option: the option's name, for the message.

    Raises:
        ClassroomError: the text is no time.
    """
    if text == "now":
        return after
    if match := _DURATION.fullmatch(text):
        return after + timedelta(**{_UNITS[match[2]]: int(match[1])})
    if match := _CLOCK.fullmatch(text):
        return _next_time(after, int(match[1]), int(match[2]))
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ClassroomError(
            f'{option} {text}: write a time such as 15:30, "2027-01-15 15:30" or now, or how long after: 90m, 2h'
        ) from error


def parse_lifetime(text: str, option: str) -> int:
    """Return the seconds of a lifetime between one minute and one year.

    Args:
        text: such as ``12h``, ``7d``, ``2w``.
        option: the option's name, for the message.

    Raises:
        BadParameter: the text is no such lifetime.
    """
    if not (len(text) <= _LONGEST and text[:-1].isdecimal() and text[-1] in _LIFETIME_UNITS):
        raise typer.BadParameter("write a duration such as 12h or 7d", param_hint=option)
    seconds = int(text[:-1]) * _LIFETIME_UNITS[text[-1]]
    if not 60 <= seconds <= 366 * 86400:
        raise typer.BadParameter("write one minute (1m) to one year (366d)", param_hint=option)
    return seconds


def parse_since(text: str, option: str) -> datetime:
    """Return the time in the past that a text means.

    Args:
        text: ``12h``, ``7d`` or ``2w`` ago, or a time such as ``2027-01-15 15:30``.
        option: the option's name, for the message.

    Raises:
        BadParameter: the text is no time.
    """
    if match := _AGE.fullmatch(text):
        return datetime.now().astimezone() - timedelta(seconds=int(match[1]) * _LIFETIME_UNITS[match[2]])
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        message = 'write how long ago, such as 12h or 7d, or a time such as 2027-01-15 or "2027-01-15 15:30"'
        raise typer.BadParameter(message, param_hint=option) from error


def _next_time(after: datetime, hour: int, minute: int) -> datetime:
    # Without a zone first: a day on which the clocks change has the hours that its own zone gives it.
    naive = after.astimezone().replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    time = naive.astimezone()
    return time if time > after else (naive + timedelta(days=1)).astimezone()
