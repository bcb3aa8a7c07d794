"""Times as people type them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from classroom.errors import ClassroomError

_LENGTH = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def moment(text: str, after: datetime, option: str) -> datetime:
    """The time that a text means, in the zone of this machine unless it names another.

    Args:
        text: ``now``; ``15:30``, the next time that it is so; ``90m`` or ``2h``, so long after; ``2027-01-15 15:30``.
        after: with a zone.
        option: which was given, for the message.

    Raises:
        ClassroomError: it means nothing.
    """
    if text == "now":
        return after
    if match := _LENGTH.fullmatch(text):
        return after + timedelta(**{_UNITS[match[2]]: int(match[1])})
    if match := _CLOCK.fullmatch(text):
        return _next(after, int(match[1]), int(match[2]))
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ClassroomError(
            f'{option} {text}: write a time such as 15:30, "2027-01-15 15:30" or now, or how long after: 90m, 2h'
        ) from error


def _next(after: datetime, hour: int, minute: int) -> datetime:
    # Without a zone first: a day on which the clocks change has the hours that its own zone gives it.
    naive = after.astimezone().replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    found = naive.astimezone()
    return found if found > after else (naive + timedelta(days=1)).astimezone()
