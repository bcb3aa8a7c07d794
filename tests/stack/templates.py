"""Templates of engines' data with the students' image: created when the image changes, copied for every stack.

Each stack has its own copy of the engine's databases, because the engine changes them. Layers of the image are never
written, so they are hard links. Mounting the layers would be faster, but an engine unmounts all mounts below its data
when it starts, and the image would be empty after a restart.
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from typing import TYPE_CHECKING

from images.student.common import cache_directory
from stack.common import REPOSITORY, run

if TYPE_CHECKING:
    from pathlib import Path

_LAYERS = "overlay2"


def image_content() -> str:
    """Return the name of the content that the students' image has by this checkout."""
    command = [sys.executable, "-m", "images.student", "key"]
    return run(command, environment={"PYTHONPATH": str(REPOSITORY)}).strip()


def find(content: str) -> Path | None:
    """Return the data of an engine that has the image with this content."""
    directory = _directory() / content
    return directory if directory.exists() else None


def newest() -> Path | None:
    """Return the newest data, which has most layers of the next image."""
    made = [path for path in _directory().iterdir() if path.is_dir()]
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def keep(data: Path, content: str) -> Path:
    """Move an engine's data into the cache, and remove unused data."""
    directory = _directory() / content
    data.rename(directory)
    directory.touch()
    for other in _directory().iterdir():
        if other.is_dir() and other != directory:
            _remove_unused(other)
    return directory


def copy(template: Path, target: Path) -> None:
    """Copy an engine's data to a new directory."""
    target.mkdir(parents=True)
    with _lock(template).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        for part in sorted(template.iterdir()):
            run(["cp", "-al" if part.name == _LAYERS else "-a", part, target])


def _remove_unused(template: Path) -> None:
    lock = _lock(template)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(template)
        lock.unlink()


def _lock(template: Path) -> Path:
    return template.with_suffix(".lock")


def _directory() -> Path:
    directory = cache_directory() / "engines"
    directory.mkdir(exist_ok=True)
    return directory
