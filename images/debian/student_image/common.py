"""What all steps share: errors, subprocesses, the cache and its keys."""

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

REPOSITORY = Path(__file__).resolve().parents[3]


class ImageError(Exception):
    """A step failed; the message says what is wrong and what to do."""


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, failure: str) -> str:
    """Run a command and give its standard output.

    Args:
        command: program and arguments; no shell reads them.
        environment: variables beside those of this process.
        failure: the sentence that opens the error.

    Raises:
        ImageError: the program is missing or failed; the last lines that it wrote are in the message.
    """
    arguments = [str(part) for part in command]
    try:
        done = subprocess.run(
            arguments,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise ImageError(f"{failure}: {arguments[0]}: {error.strerror}") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise ImageError("\n".join([f"{failure} ({arguments[0]} ended with {done.returncode}):", *lines]))
    return done.stdout


def cache_directory() -> Path:
    """Where downloads and root file systems are kept between runs (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "classroom"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def remove_others(kept: Path) -> None:
    """Remove from the cache what `kept` has replaced: folders whose names differ after the last dash only."""
    for other in kept.parent.glob(f"{kept.name.rpartition('-')[0]}-*"):
        if other.is_dir() and other != kept:
            shutil.rmtree(other)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time make the part of the cache called `name`; others wait and find it made."""
    with (cache_directory() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def key(*parts: str | bytes | Path) -> str:
    """A short name for a content: texts, and files or folders by their relative names, modes and contents."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in files_of(part):
                name = file.relative_to(part).as_posix()
                digest.update(f"\0{name}\0{file.stat().st_mode & 0o111}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        else:
            digest.update(b"\0" + (part.encode() if isinstance(part, str) else part))
    return digest.hexdigest()[:16]


def files_of(path: Path) -> list[Path]:
    """The file itself, or the files below a folder without what Python leaves there; none if it is absent."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and not file.name.startswith(".")
        and file.suffix != ".pyc"
    )
