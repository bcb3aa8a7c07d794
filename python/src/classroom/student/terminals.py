"""Terminal activity: output counts as work, and so does the CPU time of silent programs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server_terminals.terminalmanager import TerminalManager

from classroom.student.paths import start_directory

if TYPE_CHECKING:
    from collections.abc import Collection

_TICK = os.sysconf("SC_CLK_TCK")
_BUSY = 0.05  # of one core: a prompt, an editor or a debugger that waits for its user stays far below


class StudentTerminalManager(TerminalManager):
    """Upstream's manager with the time of the last output.

    Upstream updates its own time whenever the browser reopens its socket: a tab on an unstable connection would never
    be idle.
    """

    last_output: datetime | None = None

    def pre_pty_read_hook(self, ptywclients: Any) -> None:  # noqa: ANN401 - terminado's
        """Record the time of output, which includes the echo of typed text; an open tab is not necessary."""
        super().pre_pty_read_hook(ptywclients)
        self.last_output = datetime.now(UTC)

    def new_named_terminal(self, **kwargs: Any) -> Any:  # noqa: ANN401 - upstream's signature
        """Start a terminal in the requested directory, or in the home."""
        directory = start_directory(kwargs.get("cwd"), Path(os.environ["HOME"]))
        return super().new_named_terminal(**kwargs | {"cwd": str(directory)})

    def shells(self) -> set[int]:
        """Return the process ids of the shells; each leads a session, to which its background jobs belong too."""
        return {terminal.ptyproc.pid for terminal in self.terminals.values()}


class CpuTime:
    """CPU time of the programs in terminals since the last call: a training run may print into a file only."""

    def __init__(self, processes: Path = Path("/proc")) -> None:
        self._processes = processes
        self._seen: dict[int, float] = {}
        self._at: datetime | None = None

    def is_busy(self, sessions: Collection[int], now: datetime) -> bool:
        """Return whether processes of the sessions computed since the last call; False at the first call."""
        used = session_cpu_times(self._processes, sessions) if sessions else {}
        elapsed = (now - self._at).total_seconds() if self._at else 0.0
        grown = sum(time - self._seen.get(process, 0.0) for process, time in used.items())
        first, self._seen, self._at = self._at is None, used, now
        return not first and elapsed > 0 and grown / elapsed > _BUSY


def session_cpu_times(processes: Path, sessions: Collection[int]) -> dict[int, float]:
    """Return seconds of CPU time by process, for those of the sessions (proc_pid_stat(5))."""
    times = {}
    for entry in processes.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may hold anything, spaces and parentheses too.
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) in sessions:
            times[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICK
    return times
