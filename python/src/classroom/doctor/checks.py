"""Findings of the checks, and the parallel run of all checks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class NotCheckedError(ClassroomError):
    """The check is impossible for a reason that another check reports."""


class State(Enum):
    """How severe a finding is."""

    OK = "ok"
    WARNING = "warning"
    """The class works, but something will fail or could not be checked."""
    WRONG = "wrong"
    """Something does not work now, or students are not protected."""


@dataclass(frozen=True)
class Finding:
    """The result of a check: one row of the report."""

    about: str
    """The part that was checked."""
    state: State
    message: str
    """One sentence."""
    remedy: str | None = None
    """The command that fixes it."""

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return {"about": self.about, "state": self.state.value, "says": self.message, "mend": self.remedy}


@dataclass(frozen=True)
class Check:
    """One check. `function` may be slow, hang or raise: it does not delay the others."""

    about: str
    function: Callable[[], Iterable[Finding]]
    bound: float = 8
    """Seconds."""


def ok(about: str, message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(about, State.OK, message)


def warning(about: str, message: str, remedy: str | None = None) -> Finding:
    """Return a finding of a class that works, but has a problem."""
    return Finding(about, State.WARNING, message, remedy)


def wrong(about: str, message: str, remedy: str | None = None) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(about, State.WRONG, message, remedy)


def reason(error: OSError) -> str:
    """Return the reason of an error, without its number."""
    return error.strerror or str(error) or "no answer in time"


def only_root(about: str) -> Finding:
    """Return the finding of a check that needs root."""
    return warning(about, "Only root can see this.", "sudo classroom doctor")


def run_checks(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Run all checks at the same time and return their findings in the order of the checks.

    A check that does not end within its bound is a finding itself. Its thread ends with the process.
    """
    findings: dict[int, tuple[Finding, ...]] = {}

    def run(number: int, check: Check) -> None:
        findings[number] = _run_check(check)

    begin = time.monotonic()
    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(checks)]
    for thread in threads:
        thread.start()
    for thread, check in zip(threads, checks, strict=True):
        thread.join(max(0, begin + check.bound - time.monotonic()))
    return tuple(
        finding
        for number, check in enumerate(checks)
        for finding in findings.get(number, (wrong(check.about, f"No answer within {check.bound:g} seconds."),))
    )


def _run_check(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check.function())
    except NotCheckedError as error:
        return (warning(check.about, str(error)),)
    except ClassroomError as error:
        return (wrong(check.about, str(error)),)
    except PermissionError:
        return (only_root(check.about),)
    except Exception as error:  # noqa: BLE001 - one check that fails says so, and the others are shown
        return (wrong(check.about, f"This could not be checked ({type(error).__name__}: {error})."),)
