"""What the hub tells students in their notebooks before it stops their servers, and on its pages afterwards.

In memory: a hub that restarts gives notice anew, which costs the others minutes and nobody their work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A server is about to be stopped."""

    reason: str
    """Why, as a sentence for its student."""
    ends: float
    """When, of `time.monotonic`."""

    def seconds(self, moment: float | None = None) -> int:
        """How long the student still has."""
        return max(0, round(self.ends - (time.monotonic() if moment is None else moment)))


class Board:
    """Notices, by student."""

    def __init__(self) -> None:
        """Nobody is told anything."""
        self._given: dict[str, Notice] = {}
        self._stopped: dict[str, str] = {}
        self._seen: dict[str, float] = {}

    def give(self, student: str, notice: Notice) -> None:
        """Tell a student."""
        self._given[student] = notice

    def withdraw(self, student: str) -> None:
        """Nothing is going to be stopped."""
        self._given.pop(student, None)

    def of(self, student: str) -> Notice | None:
        """What a student is told now."""
        return self._given.get(student)

    def stopped(self, student: str, reason: str) -> None:
        """It is done: have the pages say why, until the next start."""
        self.withdraw(student)
        self._stopped[student] = reason

    def why(self, student: str) -> str:
        """Why the student's server was stopped; empty if not by a notice, or there has been a start since."""
        return self._stopped.get(student, "")

    def started(self, student: str) -> None:
        """There is a new server."""
        self.withdraw(student)
        self._stopped.pop(student, None)

    def seen(self, student: str) -> None:
        """A page of the student's that waits has asked."""
        self._seen[student] = time.monotonic()

    def is_there(self, student: str, seconds: float) -> bool:
        """Whether one has asked in the last so many seconds."""
        return time.monotonic() - self._seen.get(student, float("-inf")) <= seconds
