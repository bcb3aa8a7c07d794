"""Proxy and hub, which run while the demo runs; none of their processes survives it."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from demo.options import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# prctl(2): the signal that a process gets when its parent ends, and the process that inherits orphans.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_STOP_TIMEOUT = 25.0  # seconds; the hub gives each server up to fifteen
_START_TIMEOUT = 120.0
_libc = ctypes.CDLL(None, use_errno=True)


class Children:
    """The processes in the order of their start."""

    def __init__(self) -> None:
        self._children: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def __bool__(self) -> bool:
        """Return whether any was started."""
        return bool(self._children)

    def adopt(self) -> None:
        """Inherit orphans of the children from now on, so that `stop` ends them too."""
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        """Start a process in its own session, where Ctrl-C does not reach it. It ends when this process is killed."""
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=_follow_parent,  # noqa: PLW1509 - one call of libc, and this process has no other thread
            )  # fmt: skip
        self._children.append((name, process, log))

    def check(self) -> None:
        """Raise DemoError with the last lines of its log if a process has stopped."""
        for name, process, log in self._children:
            if process.poll() is not None:
                raise DemoError(f"The {name} has stopped (status {process.returncode}). {_last_lines(log)}")

    def wait_for(self, url: str) -> None:
        """Wait until a page answers; raise DemoError if a process stops or the page needs too long."""
        end = time.monotonic() + _START_TIMEOUT
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no web proxy
        while time.monotonic() < end:
            self.check()
            with contextlib.suppress(OSError), opener.open(url, timeout=10) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise DemoError(f"{url} does not answer. {_last_lines(self._children[-1][2])}")

    def stop(self) -> None:
        """Stop all, the last started first, then the servers and kernels that a killed hub or server left."""
        for _, process, _ in reversed(self._children):
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._children.clear()
        for end in (psutil.Process.terminate, psutil.Process.kill):
            orphans = psutil.Process().children(recursive=True)
            for orphan in orphans:
                with contextlib.suppress(psutil.Error):
                    end(orphan)
            psutil.wait_procs(orphans, timeout=5)


def _last_lines(log: Path) -> str:
    lines = [line.rstrip()[:300] for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return "\n    ".join(["Its last lines:", *[line for line in lines if line][-8:]]) + f"\n  All: {log}"


def _follow_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
