"""Commands that run to their end with their output in a log, and their errors as sentences with a remedy."""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from typing import TYPE_CHECKING

from demo.options import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_KEPT = 200  # lines of output that an error is explained from
_AUTHORITY = "if your network has its own authority, name its file with"
_NETWORK = "cannot be reached: check the network (and https_proxy, if you need one), then `make demo` again"
_REASONS = {
    r"No space left on device|Errno 28|ENOSPC|Disk quota exceeded|Errno 122|EDQUOT": (
        "There is no space left on the disk: the demo needs about 1.5 GB"
    ),
    r"CERTIFICATE_VERIFY_FAILED|SSLError": (
        f"The certificate of the Python package index is not trusted: {_AUTHORITY} `pip config set global.cert FILE`"
    ),
    r"UNABLE_TO_(?:GET_ISSUER|VERIFY)|SELF_SIGNED_CERT": (
        f"The certificate of npm's package index is not trusted: {_AUTHORITY} `export NODE_EXTRA_CA_CERTS=FILE`"
    ),
    r"Name or service not known|name resolution|NameResolutionError|NewConnectionError|ConnectTimeout|ReadTimeout"
    r"|Connection refused|Network is unreachable|Could not fetch URL|ProxyError": (
        f"The Python package index {_NETWORK}"
    ),
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|Exit handler never called": (
        f"npm's package index {_NETWORK}"
    ),
    r"No matching distribution found for (\S+)": "The Python package index has no {} for this Python and machine",
    r"DO NOT MATCH THE HASHES": "A downloaded package is not the one that the lock names, so nothing was installed",
    r"Failed (?:to build|building wheel for) '?(\S+?)'?(?:\s|$)": (
        "{} has no ready-made package for this Python and machine, and could not be built: try another Python, such as "
        "make demo PYTHON=python3.13"
    ),
    r"npm (?:error|ERR!)": "The proxy could not be installed",
    r"": "The packages could not be installed",
}


class CommandError(DemoError):
    """A command that cannot be started or has failed, with the end of its output."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


def run(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a command to its end; an exception, such as KeyboardInterrupt, stops it.

    Args:
        command: program and arguments; no shell reads them.
        log: file to which the output is added.
        environment: variables in addition to those of this process.
        on_line: gets each line of the output.

    Raises:
        CommandError: the command cannot be started or fails.
    """
    last: deque[str] = deque(maxlen=_KEPT)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        try:
            process = subprocess.Popen(
                command, text=True, errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be run: {error.strerror}") from error
        with process:
            try:
                for line in process.stdout or ():
                    file.write(line)
                    file.flush()
                    last.append(line)
                    on_line(line.rstrip())
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        raise CommandError(f"{command[0]} ended with {process.returncode}; its output is in {log}", "".join(last))


def explain_installation(output: str, log: Path) -> str:
    """Return a sentence about a failure of venv, pip or npm, from the end of its output."""
    reasons = ((re.search(pattern, output), text) for pattern, text in _REASONS.items())
    return next(f"{text.format(*match.groups())}; the output is in {log}" for match, text in reasons if match)
