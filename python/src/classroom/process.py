"""Subprocesses: one way to run a program to its end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its status and its output, in the C locale.

    Args:
        command: the program and its arguments.
        stdin: the text that the program reads.
        timeout: seconds; None sets no bound.
        environment: variables in addition to those of this process.
        check: whether a status other than 0 is an error.

    Raises:
        ClassroomError: the program cannot be started, does not end in time, or fails.
    """
    program = Path(command[0]).name
    variables = {**os.environ, **(environment or {}), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, check=False, text=True, errors="replace", input=stdin, capture_output=True, timeout=timeout,
            env=variables,
        )  # fmt: skip
    except OSError as error:
        raise ClassroomError(f"{program} cannot be started ({error.strerror}); install it") from error
    except subprocess.TimeoutExpired as error:
        raise ClassroomError(f"{program} did not end within {timeout:g} seconds") from error
    if check and done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ClassroomError(f"{program} failed: {lines[-1] if lines else f'status {done.returncode}'}")
    return done
