"""Child processes that run while the demo runs; none of them survives it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Numbers that prctl has (prctl(2)): what we are told when our parent ends, and who inherits orphans.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_STOP_TIMEOUT = 25.0  # seconds; the hub gives each server up to fifteen
_START_TIMEOUT = 120.0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Child:
    """A process that runs until it is told to stop."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """Proxy and hub, in the order in which they were started."""

    def __init__(self) -> None:
        """Begin without any."""
        self._children: list[Child] = []

    def adopt(self) -> None:
        """Inherit orphans of our children from now on, so that `stop` ends them too."""
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start a process that Ctrl-C does not reach: `stop` ends them in order. It ends when this one is killed."""
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_follow_parent,  # noqa: PLW1509 - one call into libc, and no thread of ours runs now
            )
        self._children.append(Child(name, process, log))

    def __bool__(self) -> bool:
        """Whether any was started."""
        return bool(self._children)

    @property
    def running(self) -> bool:
        """Whether all run."""
        return all(child.process.poll() is None for child in self._children)

    def check(self) -> None:
        """Check that all run.

        Raises:
            DemoError: one has stopped; with its last lines.
        """
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                last = "".join(f"\n    {line}" for line in last_lines(child.log))
                raise DemoError(
                    f"The {child.name} has stopped (status {status}). Its last lines:{last}\n  All: {child.log}"
                )

    def wait_for(self, url: str) -> None:
        """Wait until a page answers.

        Raises:
            DemoError: one of the children has stopped, or it takes too long.
        """
        end = time.monotonic() + _START_TIMEOUT
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # what is here needs no way out
        while time.monotonic() < end:
            self.check()
            with contextlib.suppress(OSError, urllib.error.URLError), opener.open(url, timeout=10) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
        child = self._children[-1]
        last = "".join(f"\n    {line}" for line in last_lines(child.log))
        raise DemoError(f"{url} does not answer. The {child.name}'s last lines:{last}\n  All: {child.log}")

    def stop(self) -> None:
        """Stop all, the last started first, and what they left behind."""
        for child in reversed(self._children):
            child.process.terminate()
            try:
                child.process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()
        _end_strays()


def last_lines(log: Path, count: int = 8) -> list[str]:
    """Return the last lines of a log that are not empty."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip()[:300] for line in deque((line for line in file if line.strip()), maxlen=count)]
    except OSError:
        return []


def _follow_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _end_strays() -> None:
    """End servers and kernels that a killed hub or server left, which are our children now."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + 5
        while (strays := _own_children()) and time.monotonic() < end:
            for stray in strays:
                with contextlib.suppress(OSError):
                    os.kill(stray, sign)
            time.sleep(0.1)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _own_children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(number) for number in (task / "children").read_text().split()]
    return found
