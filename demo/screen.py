"""Output on a terminal or in a file: lines, progress bars and the introduction to a running class."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn

from demo.options import TEACHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from demo.options import Engine, Options

_INTRODUCTION = """
  Address     [bold]{address}[/]
  Instructor  [bold]{teacher}[/]
  Password    {password}

{caution}

  1. Open {address} and sign up as a student with any name.
  2. In a private window (or another browser) open {address}hub/authorize,
     log in as {teacher} and approve the student.
  3. In the first window, log in as the student and run a cell of Welcome.ipynb.
  4. In a terminal, in this directory, run a command of the instructor or operator of a class:
     .demo/environment/bin/classroom users list --settings .demo/settings.json{tunnel}

  Ctrl-C stops everything. Accounts and files are kept in {kept} for the next `make demo`;
  `{removal}` removes everything.
  Logs: .demo/log/hub.log, .demo/log/proxy.log"""
_TUNNEL = """
  From your own computer: run `ssh -L {port}:127.0.0.1:{port} THIS-MACHINE` there first,
  or start this with HOST=0.0.0.0."""
_CONTAINERS = """\
  Each student has a container (Docker Engine {version}). The demo leaves this machine's firewall
  alone: containers reach the internet, this machine's open ports, its private networks and, in a
  cloud, the metadata service. A real class blocks these (`classroom network up`)."""
_PROCESSES = """\
  This shows the site and isolates nobody: every student's server is a process of {user}
  and has all rights of {user} on this machine."""
_OPEN = """
  Everyone in this machine's network reaches the page, unencrypted: approve only people you trust."""


class Screen:
    """Lines and progress bars."""

    def __init__(self, stream: TextIO | None = None, *, terminal: bool | None = None) -> None:
        """Write on a stream, by default standard output; `terminal` overrides what the stream says about itself."""
        self.console = Console(
            file=stream or _Output(sys.stdout.buffer, sys.stdout.encoding, errors="replace"),
            force_terminal=terminal, highlight=False, soft_wrap=True,
        )  # fmt: skip

    def line(self, text: str = "") -> None:
        """Write a line, which can have Rich's markup."""
        self.console.print(text)

    @contextlib.contextmanager
    def step(self, doing: str, done: str, *, long: str = "") -> Iterator[Callable[[float, str], None]]:
        """Show a slow step, then how long it took; give a function that sets the bar's fraction and detail.

        Args:
            doing: such as "Making the image".
            done: such as "Image made".
            long: the usual duration, told where no bar shows the progress.
        """
        started = time.monotonic()
        terminal = self.console.is_terminal
        if not terminal:
            self.line(f"  {doing}{f' ({long})' if long else ''}")
        columns = (f"  {doing}", BarColumn(24), TaskProgressColumn(), "{task.description}")
        # No refresh by a thread: the hub and the proxy are forked meanwhile.
        with Progress(*columns, console=self.console, auto_refresh=False, transient=True, disable=not terminal) as bar:
            task = bar.add_task("", total=1.0)
            bar.refresh()

            def update(fraction: float, detail: str) -> None:
                bar.update(task, completed=max(fraction, bar.tasks[0].completed), description=detail, refresh=True)
                if detail and not terminal:
                    self.line(f"    {detail}")

            yield update
        seconds = time.monotonic() - started
        self.line(f"  {done} in {f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.1f} min'}")

    def introduce(self, options: Options, engine: Engine | None, reason: str, password: str | None) -> None:
        """Print the address, the instructor, what is not safe, and the next steps.

        Args:
            options: those of the start.
            engine: the Docker engine that runs the servers.
            reason: the reason why there is none; empty where none was asked for.
            password: the one-time password; None when the instructor has chosen another one.
        """
        if engine:
            caution = _CONTAINERS.format(version=engine.version)
        else:
            caution = _PROCESSES.format(user="root" if os.geteuid() == 0 else "your user")
            caution += f"\n  For containers instead: {reason}." if reason else ""
        far = os.environ.get("SSH_CONNECTION") and not options.open_to_others
        self.line(_INTRODUCTION.format(
            address=options.address,
            teacher=TEACHER,
            password=f"[bold]{password}[/]   (one-time: you then choose your own)" if password else "the one you chose",
            caution=caution + (_OPEN if options.open_to_others else ""),
            tunnel=_TUNNEL.format(port=options.port) if far else "",
            kept=".demo and Docker" if engine else ".demo",
            removal="make demo-remove" if engine else "rm -rf .demo",
        ))  # fmt: skip


class _Output(io.TextIOWrapper):
    """Standard output that may be closed by its reader; the class must still be stopped then."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()
