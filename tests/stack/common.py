"""Errors, subprocesses and paths that all modules of the stack share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON_PATH = f"{REPOSITORY}/tests:{REPOSITORY}"
"""PYTHONPATH of a process that imports the stack from any directory: the tests' packages and the images."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StackError(Exception):
    """The stack cannot do what was asked; the message says why."""


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run a command and return its standard output.

    Raises:
        StackError: the program is missing or failed; what it wrote last is in the message.
    """
    arguments = [str(part) for part in command]
    try:
        done = subprocess.run(
            arguments,
            check=False,
            text=True,
            errors="replace",
            input=stdin,
            capture_output=True,
            env=None if environment is None else {**os.environ, **environment},
        )
    except OSError as error:
        raise StackError(f"{arguments[0]}: {error.strerror}") from error
    if done.returncode:
        raise StackError(f"{' '.join(arguments)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def search_path() -> str:
    """Return PATH with the directories of system programs, which an ordinary user's PATH lacks."""
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
