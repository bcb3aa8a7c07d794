"""Messages: the introduction to a class that runs, and errors of the system, pip and npm with their remedies."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from demo.class_settings import TEACHER
from demo.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from demo.engine import NoEngine
    from demo.options import Options
    from demo.screen import Screen

_NO_SPACE = r"No space left on device|Errno 28|ENOSPC|Disk quota exceeded|Errno 122|EDQUOT"
_NO_INDEX = (
    r"Name or service not known|name resolution|NameResolutionError|NewConnectionError|ConnectTimeout|ReadTimeout"
    r"|Connection refused|Network is unreachable|Could not fetch URL|ProxyError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED"
    r"|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|Exit handler never called"
)
_CERTIFICATE = r"CERTIFICATE_VERIFY_FAILED|SSLError|UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT"


def introduce(screen: Screen, options: Options, engine: Engine | NoEngine, password: str | None) -> None:
    """Print the address, the instructor, what is not safe, and what to do next.

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
        "4. In a terminal, in this directory, as the instructor or operator of a class would:",
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
    """Return a sentence about what the operating system refused."""
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return f"There is no space left on the disk ({error.filename or 'the demo needs about 1.5 GB'})"
    return f"{error.filename or 'The system'}: {error.strerror or error}; fix that and run `make demo` again"


def explain_pip(output: str, log: Path) -> str:
    """Return one sentence about pip's (or venv's) failure, with the remedy.

    Args:
        output: the last of what it wrote.
        log: where all of it is.
    """
    if common := _common(output, "the Python package index", "pip config set global.cert FILE", log):
        return common
    if missing := re.search(r"No matching distribution found for (\S+)", output):
        return f"The Python package index has no {missing[1]} for this Python and machine; pip's output is in {log}"
    if "DO NOT MATCH THE HASHES" in output:
        return f"A package that was downloaded is not the one that the lock names: nothing was installed; see {log}"
    if build := re.search(r"Failed (?:to build|building wheel for) '?(\S+?)'?(?:\s|$)", output):
        return (
            f"{build[1]} has no ready-made package for this Python and machine, and could not be built: try another "
            f"Python, such as make demo PYTHON=python3.13; pip's output is in {log}"
        )
    return f"The Python packages could not be installed; pip's output is in {log}"


def explain_npm(output: str, log: Path) -> str:
    """Return one sentence about npm's failure, with the remedy."""
    common = _common(output, "npm's package index", "export NODE_EXTRA_CA_CERTS=FILE", log)
    return common or f"The proxy could not be installed; npm's output is in {log}"


def _common(output: str, index: str, certificate: str, log: Path) -> str | None:
    if re.search(_NO_SPACE, output):
        return f"There is no space left on the disk: the demo needs about 1.5 GB; the whole output is in {log}"
    if re.search(_CERTIFICATE, output):
        return (
            f"The certificate of {index} is not trusted: if your network has an authority of its own, name its file, "
            f"`{certificate}`; the whole output is in {log}"
        )
    if re.search(_NO_INDEX, output):
        return (
            f"{index[0].upper()}{index[1:]} cannot be reached: check the network (and https_proxy, if you need one), "
            f"then `make demo` again; the whole output is in {log}"
        )
    return None
