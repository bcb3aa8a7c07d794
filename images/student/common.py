"""Errors, subprocesses, the cache and its keys."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]


class ImageError(Exception):
    """A step failed; the message says the reason and the remedy."""


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, failure: str) -> str:
    """Run a command and return its standard output.

    Args:
        command: program and arguments; no shell reads them.
        environment: variables in addition to those of this process.
        failure: the sentence that begins the error.

    Raises:
        ImageError: the program is missing or failed; the last lines that it wrote are in the message.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise ImageError(f"{failure}: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise ImageError("\n".join([f"{failure} ({command[0]} ended with {done.returncode}):", *lines]))
    return done.stdout


def cache_directory() -> Path:
    """Return the directory of downloads and root file systems (XDG Base Directory Specification), which is made."""
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "classroom"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def remove_others(kept: Path) -> None:
    """Remove from the cache what `kept` has replaced: directories whose names differ after the last dash only."""
    for other in kept.parent.glob(f"{kept.name.rpartition('-')[0]}-*"):
        if other.is_dir() and other != kept:
            shutil.rmtree(other)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time make the part of the cache called `name`; others wait."""
    with (cache_directory() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def key(texts: Sequence[str], files: Mapping[str, Path]) -> str:
    """Return a short name of a content: texts, and files by name with their modes."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(b"\0" + text.encode())
    for name, path in sorted(files.items()):
        digest.update(f"\0{name}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def files_of(directory: Path) -> list[Path]:
    """Return the files below a directory, without hidden ones and without bytecode."""
    return [
        file
        for file in directory.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")
    ]
