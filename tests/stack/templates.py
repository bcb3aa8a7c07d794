"""Engines' data with the students' image in it: made when the image changes, shared by all stacks that run.

A stack has the databases of an engine for itself, for they are changed in place; the layers of the image, which nobody
writes to, are mounted into it from here (enter-root.sh).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from stack.common import cache_directory, run

if TYPE_CHECKING:
    from pathlib import Path

_LAYERS = "overlay2"


def find(content: str) -> Path | None:
    """The data of an engine that has the image with this content."""
    directory = _directory() / content
    return directory if directory.exists() else None


def newest() -> Path | None:
    """The data that was made last: most layers of the next image are in it."""
    made = [path for path in _directory().iterdir() if path.is_dir()]
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def keep(data: Path, content: str) -> Path:
    """Take an engine's data into the cache, and remove those that no stack uses any more."""
    directory = _directory() / content
    data.rename(directory)
    directory.touch()
    for other in _directory().iterdir():
        if other.is_dir() and other != directory:
            _remove_unused(other)
    return directory


def use(template: Path) -> int:
    """A file descriptor; the template stays as long as a process has it open."""
    descriptor = os.open(_lock(template), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def copy(template: Path, target: Path, *, with_layers: bool) -> None:
    """Copy an engine's data.

    Args:
        template: from here.
        target: to this folder, which is made.
        with_layers: for a change of the image itself: layers come along, as hard links. Without, their folders are
            empty and the layers have to be mounted there.
    """
    target.mkdir(parents=True)
    for part in sorted(template.iterdir()):
        if part.name != _LAYERS:
            run(["cp", "-a", part, target])
        elif with_layers:
            run(["cp", "-al", part, target])
        else:
            _copy_skeleton(part, target / _LAYERS)


def _copy_skeleton(layers: Path, target: Path) -> None:
    target.mkdir(mode=0o710)
    for layer in layers.iterdir():
        if layer.name == "l":  # short names of all layers, as symbolic links
            run(["cp", "-a", layer, target])
            continue
        (target / layer.name).mkdir(mode=0o710)
        for part in layer.iterdir():
            if part.is_dir():
                (target / layer.name / part.name).mkdir(mode=part.stat().st_mode & 0o7777)
            else:
                shutil.copy2(part, target / layer.name)


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
