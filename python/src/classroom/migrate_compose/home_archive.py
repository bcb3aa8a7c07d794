"""Tar archive of a student's files, owned by the student, that the engine unpacks.

The directory is walked by descriptors and no link in it is followed: students made its content.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError, printable
from classroom.storage.home_directories import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK = "work"
"""Directory below the home. The project had the notebooks there, so that paths in them stay right."""

_PROJECT_WORK = "/home/jovyan/work"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAX_DEPTH = 200
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class FolderSummary:
    """Content of a student's directory."""

    files: int
    size: int
    """Bytes."""
    notes: tuple[str, ...]
    """A sentence for each thing that is left out, and on links that will lead nowhere."""


@dataclass(frozen=True)
class _Entry:
    path: str
    status: os.stat_result
    parent: int
    """Descriptor of the directory that it is in."""
    name: str


def inspect_folder(directory: Path) -> FolderSummary:
    """Count files and bytes, and note what cannot be archived.

    Raises:
        ClassroomError: it cannot be read.
    """
    files = size = 0
    notes: list[str] = []
    outward: list[str] = []
    for entry in _entries(directory, notes):
        if stat.S_ISREG(entry.status.st_mode):
            files += 1
            size += entry.status.st_size
        elif stat.S_ISLNK(entry.status.st_mode):
            target = os.readlink(entry.name, dir_fd=entry.parent)
            if _leads_out(entry.path, target):
                outward.append(f"{entry.path} -> {target}")
        elif not stat.S_ISDIR(entry.status.st_mode):
            notes.append(f"{entry.path} is not a file, folder or link and is left out")
    if outward:
        examples = ", ".join(outward[:3]) + (f" and {len(outward) - 3} more" if len(outward) > 3 else "")
        notes.append(f"links that lead out of the folder stay links, their targets are not copied: {examples}")
    return FolderSummary(files, size, tuple(notes))


def tar_stream(directory: Path, top: str) -> Iterator[bytes]:
    """Yield the directory as a tar archive in which it is called `top`.

    Raises:
        ClassroomError: a file cannot be read, or changes meanwhile.
    """
    first = tarfile.TarInfo(top)
    first.type, first.mode = tarfile.DIRTYPE, 0o755
    yield _header(first)
    for entry in _entries(directory, []):
        mode = entry.status.st_mode
        info = tarfile.TarInfo(f"{top}/{entry.path}")
        info.mtime = int(entry.status.st_mtime)
        if stat.S_ISDIR(mode):
            info.type, info.mode = tarfile.DIRTYPE, mode & 0o777 | 0o700
            yield _header(info)
        elif stat.S_ISLNK(mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(entry.name, dir_fd=entry.parent)
            yield _header(info)
        elif stat.S_ISREG(mode):
            info.mode = mode & 0o777 | 0o600
            yield from _content(entry, info)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(info: tarfile.TarInfo) -> bytes:
    info.uid, info.gid = OWNER
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(entry: _Entry, info: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        opened = os.open(entry.name, _FILE, dir_fd=entry.parent)
    except OSError as error:
        raise ClassroomError(f"{printable(entry.path)}: cannot be read ({error.strerror}); run this as root") from error
    with os.fdopen(opened, "rb") as file:
        info.size = os.fstat(opened).st_size
        yield _header(info)
        remaining = info.size
        while remaining:
            chunk = file.read(min(remaining, _CHUNK))
            if not chunk:
                raise ClassroomError(
                    f"{printable(entry.path)}: changed while it was read; stop the docker-compose project and run this "
                    "again"
                )
            remaining -= len(chunk)
            yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)


def _entries(directory: Path, notes: list[str]) -> Iterator[_Entry]:
    try:
        top = os.open(directory, _DIRECTORY)
    except OSError as error:
        raise ClassroomError(f"{directory}: cannot be opened ({error.strerror}); run this as root") from error
    try:
        yield from _below(top, "", 0, notes)
    except OSError as error:
        raise ClassroomError(f"{directory}: cannot be read ({error}); run this as root") from error
    finally:
        os.close(top)


def _below(parent: int, prefix: str, depth: int, notes: list[str]) -> Iterator[_Entry]:
    for name in sorted(os.listdir(parent)):
        path = f"{prefix}{name}"
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        yield _Entry(path, status, parent, name)
        if not stat.S_ISDIR(status.st_mode):
            continue
        if depth == _MAX_DEPTH:
            notes.append(f"{path}: its content is more than {_MAX_DEPTH} folders deep and is left out")
            continue
        inner = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            yield from _below(inner, f"{path}/", depth + 1, notes)
        finally:
            os.close(inner)


def _leads_out(path: str, target: str) -> bool:
    if target.startswith("/"):
        path = posixpath.normpath(target)
        return path != _PROJECT_WORK and not path.startswith(f"{_PROJECT_WORK}/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).startswith("..")
