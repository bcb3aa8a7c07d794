"""Commands that run to their end, with their output in a log."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_KEPT = 200  # lines of output that an error is explained from


class TaskError(DemoError):
    """A command failed."""

    def __init__(self, message: str, output: str) -> None:
        """With the last of what it wrote."""
        super().__init__(message)
        self.output = output


class Tasks:
    """The commands that run now, so that all can be stopped."""

    def __init__(self) -> None:
        """Begin without any."""
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run a command and return its last lines.

        Args:
            command: program and arguments; no shell reads them.
            log: file to which the output is added.
            environment: variables beside those of this process.
            directory: where it runs.
            on_line: is told each line of output.

        Raises:
            TaskError: the command failed.
        """
        line = [str(part) for part in command]
        last: deque[str] = deque(maxlen=_KEPT)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(line)}\n")
            process = self._start(line, environment, directory)
            try:
                for text in process.stdout or ():
                    file.write(text)
                    file.flush()
                    last.append(text)
                    if on_line:
                        on_line(text.rstrip())
                status = process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)
        if status:
            raise TaskError(f"{line[0]} ended with {status}; its output is in {log}", "".join(last))
        return "".join(last)

    def _start(
        self, line: list[str], environment: Mapping[str, str] | None, directory: Path | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise TaskError("stopped", "")
            try:
                process = subprocess.Popen(
                    line,
                    text=True,
                    errors="replace",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    cwd=directory,
                )
            except OSError as error:
                raise TaskError(f"{line[0]} cannot be run: {error.strerror}", "") from error
            self._running.add(process)
            return process

    def stop(self) -> None:
        """Stop what runs and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                with contextlib.suppress(OSError):
                    process.terminate()
