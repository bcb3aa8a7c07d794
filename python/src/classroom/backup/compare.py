"""Comparison of two directories, for `classroom.backup.move`: everything but the place on the disk must be equal."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1024**2  # bytes
_OURS = "trusted.classroom."
"""Attributes of homes that belong to their place."""


def first_difference(left: Path, right: Path) -> str | None:
    """Return the name of the first file that differs, below the directories; None if they are equal.

    Kind, mode, owner, time, size, content, attributes, targets of links and hard links are compared.
    """
    links: dict[tuple[int, int], str] = {}
    copies: dict[tuple[int, int], str] = {}
    waiting = [""]
    while waiting:
        name = waiting.pop()
        a, b = os.path.join(left, name), os.path.join(right, name)  # noqa: PTH118 - a home has millions of files
        first, second = os.lstat(a), os.lstat(b)
        same_link = _group(links, first, name) == _group(copies, second, name)
        if _facts(a, first) != _facts(b, second) or not same_link:
            return name or "."
        if stat.S_ISDIR(first.st_mode):
            names = _names(a)
            if names != _names(b):
                return name or "."
            waiting.extend(os.path.join(name, entry) for entry in names)  # noqa: PTH118 - as above
        elif stat.S_ISREG(first.st_mode) and not _have_same_content(a, b):
            return name
    return None


def _names(directory: str) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def _facts(path: str, status: os.stat_result) -> tuple[object, ...]:
    is_directory = stat.S_ISDIR(status.st_mode)
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith(_OURS)]
    return (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        0 if is_directory else status.st_size,
        {name: os.getxattr(path, name, follow_symlinks=False) for name in names},
        os.readlink(path) if stat.S_ISLNK(status.st_mode) else "",  # noqa: PTH115 - as above
    )


def _group(groups: dict[tuple[int, int], str], status: os.stat_result, name: str) -> str:
    """Return the first name of a file with several names."""
    if status.st_nlink < 2 or stat.S_ISDIR(status.st_mode):
        return name
    return groups.setdefault((status.st_dev, status.st_ino), name)


def _have_same_content(left: str, right: str) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    first = os.open(left, flags)
    try:
        second = os.open(right, flags)
        try:
            # What is a hole in both is equal, without reading its zeros.
            parts = {*_parts(first), *_parts(second)}
            return all(os.pread(first, size, at) == os.pread(second, size, at) for at, size in sorted(parts))
        finally:
            os.close(second)
    finally:
        os.close(first)


def _parts(file: int) -> Iterator[tuple[int, int]]:
    """Yield beginning and size of what is stored of a file, in parts of at most 1 MB (lseek(2))."""
    end = 0
    size = os.fstat(file).st_size
    while end < size:
        try:
            begin = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        end = os.lseek(file, begin, os.SEEK_HOLE)
        for at in range(begin - begin % _CHUNK, end, _CHUNK):
            yield at, _CHUNK
