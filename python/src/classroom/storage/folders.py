"""What the root helper does to homes that are folders.

Students write below their homes whatever they like: nothing here follows a symbolic link there or trusts a path. A home
is reached from the open folder of all homes by its name, what is in it by descriptors, one folder at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = (1000, 100)
"""User and group of the student in the container (`classroom.docker.container.USER`)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BLOCK = 512  # bytes; the unit of st_blocks (stat(3type))
_DEEPEST = 100
"""Folders within folders that are looked at: each level costs a descriptor, and a student may make thousands."""


@dataclass(frozen=True)
class Use:
    """How much is in a home."""

    size: int
    """Bytes on the disk."""
    files: int
    """Files and folders, the home itself among them."""
    changed: float
    """When something in it was last written, in seconds since 1970."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open the folder of all homes.

    Raises:
        ClassroomError: it is not there, or others than the one who runs this may rename what is in it.
    """
    try:
        store = os.open(path, _FOLDER)
    except OSError as error:
        raise ClassroomError(
            f"storage.path {path} cannot be opened ({error.strerror}); mount its disk, or make it: "
            f"install -d -m 0711 {path}"
        ) from error
    try:
        found = os.fstat(store)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise ClassroomError(
                f"storage.path {path} could be changed by others than root; run: chown root:root {path} && "
                f"chmod 0711 {path}"
            )
        yield store
    finally:
        os.close(store)


def check_name(name: str, prefix: str) -> str:
    """The name, if it may be a home's of the class with this prefix.

    Raises:
        ClassroomError: it is another class's, or not one that the hub gives.
    """
    if not _NAME.fullmatch(name) or not name.startswith(f"{prefix}-home-"):
        raise ClassroomError(f"{name[:80]!r} is not the name of a home of this class")
    return name


@contextlib.contextmanager
def home(store: int, name: str) -> Iterator[int]:
    """Open a home that is there.

    Raises:
        ClassroomError: it is not there, or not a folder.
    """
    try:
        found = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=store)
    except OSError as error:
        raise ClassroomError(f"the home {name} cannot be opened ({error.strerror}); look at it as root") from error
    try:
        yield found
    finally:
        os.close(found)


def make(store: int, name: str) -> None:
    """Make a home if there is none, its student's own and nobody else's to read.

    Raises:
        ClassroomError: the disk is full or read-only, or something that is no folder has the name.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=store)
    except OSError as error:
        raise ClassroomError(f"the home {name} cannot be made ({error.strerror}); look at its disk") from error
    with home(store, name) as found:
        status = os.fstat(found)
        if (status.st_uid, status.st_gid) != OWNER:
            # New, or put here by root from a backup.
            os.fchmod(found, 0o700)
            os.fchown(found, *OWNER)


def is_empty(found: int) -> bool:
    """Whether nothing is in an open home: its first files are still to come."""
    with os.scandir(found) as entries:
        return next(entries, None) is None


def use(found: int) -> Use:
    """Count what is in an open home. Names that a student removes meanwhile are not counted."""
    size = files = 0
    changed = 0.0
    several: set[int] = set()
    for status in walk(found):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in several:
                continue
            several.add(status.st_ino)
        size += status.st_blocks * _BLOCK
        files += 1
        changed = max(changed, status.st_mtime)
    # A student may set any time on a file.
    return Use(size, files, min(changed, time.time()))


def walk(found: int) -> Iterator[os.stat_result]:
    """What an open home and all in it is, on its own file system; nothing of it is opened but folders."""
    for _, _, status in entries(found):
        yield status


def entries(found: int) -> Iterator[tuple[int, str, os.stat_result]]:
    """All in an open home with the open folder it is in and its name there; "." for the home itself.

    The descriptor is good until the next one is asked for.
    """
    top = os.fstat(found)
    yield found, ".", top
    open_folders: list[tuple[int, Iterator[str]]] = []

    def enter(folder: int) -> None:
        open_folders.append((folder, iter(os.listdir(folder))))

    try:
        enter(os.open(".", _FOLDER, dir_fd=found))
        while open_folders:
            folder, names = open_folders[-1]
            if (name := next(names, None)) is None:
                os.close(open_folders.pop()[0])
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if status.st_dev != top.st_dev:
                    continue
                yield folder, name, status
                if stat.S_ISDIR(status.st_mode) and len(open_folders) < _DEEPEST:
                    enter(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder))
            except (FileNotFoundError, NotADirectoryError):
                continue  # the student works
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
    finally:
        for folder, _ in open_folders:
            os.close(folder)
