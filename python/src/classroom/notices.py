"""Notices to students before their servers are stopped.

They are in memory. After a restart the hub gives notice again: other students wait some minutes longer, and no work is
lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A notice that a server will be stopped."""

    reason: str
    """A sentence for the student."""
    ends: float
    """The moment of the stop, of `time.monotonic`."""

    def seconds(self, moment: float | None = None) -> int:
        """Return the seconds until the stop."""
        return max(0, round(self.ends - (time.monotonic() if moment is None else moment)))


class NoticeBoard:
    """Notices and page visits, by student."""

    def __init__(self) -> None:
        """Start without notices."""
        self._notices: dict[str, Notice] = {}
        self._visits: dict[str, float] = {}

    def give(self, student: str, notice: Notice) -> None:
        """Show a notice to a student."""
        self._notices[student] = notice

    def withdraw(self, student: str) -> None:
        """Remove the notice: the server is not stopped after all, or it has been, or there is a new one."""
        self._notices.pop(student, None)

    def notice_for(self, student: str) -> Notice | None:
        """Return the notice for a student."""
        return self._notices.get(student)

    def record_visit(self, student: str) -> None:
        """Note a request of the student's waiting page."""
        self._visits[student] = time.monotonic()

    def visited_within(self, student: str, seconds: float) -> bool:
        """Return whether the student's waiting page has made a request in the last `seconds`."""
        return time.monotonic() - self._visits.get(student, float("-inf")) <= seconds
