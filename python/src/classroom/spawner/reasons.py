"""Reasons why a server ended: from the engine's description of its container, or from who stopped it."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from classroom.units import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

CULLER = "service culler"
"""The culler in the audit log."""
_SIGNALLED = 128  # and the number of the signal (bash(1), EXIT STATUS; the container's init does the same)
_SHUTDOWN = 20  # seconds: the engine gives its containers 15 to stop before it ends


def death(
    container: Mapping[str, Any] | None, *, engine_away: tuple[float, float], from_outside: bool
) -> tuple[str, str]:
    """Return the kind of a death that the hub did not cause (`Ending.why`), and the reason as "because ..." has it.

    Args:
        container: as the engine describes it (`docker inspect`); None if it is gone.
        engine_away: when the engine was last away: begin and end, in seconds since 1970.
        from_outside: whether somebody has sent the container a signal by the engine.
    """
    if container is None:
        return "gone", "its container was removed"
    state = container["State"]
    code = int(state.get("ExitCode") or 0)
    ended = _seconds(state.get("FinishedAt"))
    started = _seconds(state.get("StartedAt"))
    if started < _boot_time():
        # One that has never run has the year 1.
        return ("machine", "the machine was restarted") if started > 0 else ("itself", "its container did not start")
    if state.get("OOMKilled") and code == _SIGNALLED + signal.SIGKILL:
        limit = format_bytes(container.get("HostConfig", {}).get("Memory") or None)
        return "memory", f"it needed more than its memory{f' of {limit}' if limit else ''}"
    if engine_away[0] - _SHUTDOWN <= ended <= engine_away[1] + 1:
        return "engine", "the Docker engine of the machine was restarted"
    if from_outside:
        return "outside", "its container was stopped from outside: by the Docker engine, or by an operator"
    return "itself", _exit(code)


def stop(who: str, owner: str, idle: float, limit: int) -> tuple[str, str]:
    """Return the kind of a stop (`Ending.why`), and the reason as "because ..." has it.

    Args:
        who: asked for it, as the audit log names them.
        owner: of the server.
        idle: seconds since the server's last activity.
        limit: seconds after which an idle server is stopped.
    """
    if who == owner:
        return "owner", "you stopped it"
    if who == CULLER:
        if idle >= limit:
            return "idle", f"it was not used for {_duration(limit)}"
        return "age", "it had run for as long as a server may run here"
    return "instructor", "an instructor stopped it"


def _exit(code: int) -> str:
    if code > _SIGNALLED:
        return f"its program was ended by a signal ({_signal_name(code - _SIGNALLED)})"
    return f"its program ended by itself (exit code {code})" if code else "it was shut down from within"


def _duration(seconds: int) -> str:
    return format_duration(seconds) if seconds >= 60 else f"{seconds} s"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _seconds(text: object) -> float:
    """Return a time of the engine (RFC 3339, with nanoseconds) in seconds since 1970; now for none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def _boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
