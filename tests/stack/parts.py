"""Part of the stack: a process with a log that can be started, checked and stopped."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stack.common import StackError
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_LAST_LINES = 30


@dataclass
class Part:
    """A process that can be stopped and started again."""

    name: str
    command: Callable[[], Sequence[str]]
    ready: Callable[[], bool]
    log: Path
    environment: Callable[[], Mapping[str, str]]
    prepare: Callable[[], None] = lambda: None
    start_bound: float = 60
    stop_bound: float = 30
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Held while the part changes, so that two requests follow one another."""

    @property
    def running(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> float:
        """Start the part, wait until it answers and return the seconds; 0 if it runs already.

        Raises:
            StackError: it ended, or did not answer in time; its last lines are in the message.
        """
        if self.running:
            return 0
        begin = time.monotonic()
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment()),
                start_new_session=True,
            )
        try:
            wait_until(lambda: not self.running or self.ready(), f"{self.name} answers", self.start_bound)
        except TimeoutError as error:
            raise StackError(f"{error}\n{self.last_lines()}") from error
        if not self.running:
            raise StackError(f"{self.name} ended with {self.process.returncode}:\n{self.last_lines()}")
        return time.monotonic() - begin

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the process and wait for its end; kill it if it takes too long."""
        if self.process is None or not self.running:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(self.stop_bound)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(self.stop_bound)

    def last_lines(self) -> str:
        """Return the end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
