"""What a check finds, and how many checks are run at once without one holding up the others."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class NotSeenError(ClassroomError):
    """It cannot be looked at for a reason that another check reports."""


class State(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The class works. Something will not, or could not be looked at."""
    WRONG = "wrong"
    """Something does not work now, or a promise to students is not kept."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    about: str
    """What was looked at, in a few words."""
    state: State
    says: str
    """One sentence."""
    mend: str | None = None
    """The command that mends it."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {"about": self.about, "state": self.state.value, "says": self.says, "mend": self.mend}


@dataclass(frozen=True)
class Check:
    """Something to look at. `look` may take its time, wait for ever or raise: the others are not held up."""

    about: str
    look: Callable[[], Iterable[Finding]]
    bound: float = 8
    """Seconds."""


def ok(about: str, says: str) -> Finding:
    """All is well."""
    return Finding(about, State.OK, says)


def warning(about: str, says: str, mend: str | None = None) -> Finding:
    """The class works, and yet."""
    return Finding(about, State.WARNING, says, mend)


def wrong(about: str, says: str, mend: str | None = None) -> Finding:
    """Something does not work."""
    return Finding(about, State.WRONG, says, mend)


def reason(error: OSError) -> str:
    """Why, without Python's number of it."""
    return error.strerror or str(error) or "no answer in time"


def only_root(about: str) -> Finding:
    """It could not be looked at without more rights."""
    return warning(about, "Only root can see this.", "sudo classroom doctor")


def examine(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Make all checks at once; gives their findings in the order of the checks.

    A check that does not end within its bound is a finding itself. Its thread goes on and ends with the process.
    """
    found: dict[int, tuple[Finding, ...]] = {}

    def run(number: int, check: Check) -> None:
        found[number] = _look(check)

    begin = time.monotonic()
    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(checks)]
    for thread in threads:
        thread.start()
    for thread, check in zip(threads, checks, strict=True):
        thread.join(max(0, begin + check.bound - time.monotonic()))
    return tuple(
        finding
        for number, check in enumerate(checks)
        for finding in found.get(number, (wrong(check.about, f"No answer within {check.bound:g} seconds."),))
    )


def _look(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check.look())
    except NotSeenError as error:
        return (warning(check.about, str(error)),)
    except ClassroomError as error:
        return (wrong(check.about, str(error)),)
    except PermissionError:
        return (only_root(check.about),)
    except Exception as error:  # noqa: BLE001 - one check that fails says so, and the others are shown
        return (wrong(check.about, f"This could not be looked at ({type(error).__name__}: {error})."),)
