"""What the demo tells whoever started it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from demo.class_settings import TEACHER
from demo.engine import Engine

if TYPE_CHECKING:
    from demo.engine import NoEngine
    from demo.options import Options
    from demo.screen import Screen


def introduce(screen: Screen, options: Options, engine: Engine | NoEngine, password: str | None) -> None:
    """The address, the instructor, what is not safe, and what to do next.

    Args:
        screen: where.
        options: what was asked for.
        engine: what runs the servers.
        password: the instructor's one-time password; None when a password has been chosen.
    """
    secret = (
        f"{screen.bold(password)}   (for the first time: you then choose your own)" if password else "the one you chose"
    )
    screen.line()
    screen.line(f"  Address     {screen.bold(options.address)}")
    screen.line(f"  Instructor  {screen.bold(TEACHER)}")
    screen.line(f"  Password    {secret}")
    screen.line()
    for line in _caution(options, engine):
        screen.line(f"  {line}")
    screen.line()
    for line in _steps(options):
        screen.line(f"  {line}")
    screen.line()
    docker = isinstance(engine, Engine)
    kept, removal = (".demo and Docker", "make demo-remove") if docker else (".demo", "rm -rf .demo")
    screen.line(f"  Ctrl-C stops everything. Accounts and files stay in {kept} for the next `make demo`;")
    screen.line(f"  `{removal}` removes all.")
    screen.line("  Logs: .demo/log/hub.log, .demo/log/proxy.log")


def _steps(options: Options) -> list[str]:
    steps = [
        f"1. Open {options.address} and sign up as a student, under any name.",
        f"2. In a private window (or another browser) open {options.address}hub/authorize,",
        f"   sign in as {TEACHER} and approve the student.",
        "3. Back in the first window, sign in as the student and run a cell of Welcome.ipynb.",
        "4. In a terminal, in this folder, as the instructor or operator of a class would:",
        "   .demo/environment/bin/classroom users list --settings .demo/settings.json",
    ]
    if os.environ.get("SSH_CONNECTION") and not options.open_to_others:
        tunnel = f"ssh -L {options.port}:127.0.0.1:{options.port} THIS-MACHINE"
        steps += [f"From your own computer: run `{tunnel}` there first,", "or start this with HOST=0.0.0.0."]
    return steps


def _caution(options: Options, engine: Engine | NoEngine) -> list[str]:
    if isinstance(engine, Engine):
        lines = [
            f"Each student has a container (Docker Engine {engine.version}). The demo leaves this machine's firewall",
            "alone: containers reach the internet, this machine's open ports, its private networks and, in a",
            "cloud, the metadata service. A real class blocks these (`classroom network up`).",
        ]
    else:
        who = "root" if os.geteuid() == 0 else "you"
        lines = [
            "This shows the site and isolates nobody: every student's server is a process that runs as",
            f"{who} and may read and change whatever {who} may.",
        ]
        if engine.reason:
            lines.append(f"For containers instead: {engine.reason}.")
    if options.open_to_others:
        lines.append("Everyone in this machine's network reaches the page, unencrypted: approve only whom you trust.")
    return lines


def system_error(error: OSError) -> str:
    """A sentence about what the operating system refused."""
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return f"There is no space left on the disk ({error.filename or 'the demo needs about 1.5 GB'})"
    return f"{error.filename or 'The system'}: {error.strerror or error}; mend that and run `make demo` again"
