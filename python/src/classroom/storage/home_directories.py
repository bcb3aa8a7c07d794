"""Homes that are directories, as the root helper creates, opens and measures them.

Students write anything below their homes: this module follows no symbolic link there and trusts no path. It opens a
home by name from the descriptor of the directory of all homes, and its content by descriptors, one directory at a time.
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
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BLOCK = 512  # bytes; the unit of st_blocks (stat(3type))
_MAX_DEPTH = 100
"""Levels of directories that are visited: each costs a descriptor, and a student may create thousands."""


@dataclass(frozen=True)
class HomeUsage:
    """The content of a home in figures."""

    size: int
    """Bytes on the disk."""
    files: int
    """Files and directories, with the home itself."""
    changed: float
    """Time of the last change, in seconds since 1970."""


@contextlib.contextmanager
def open_store(path: Path) -> Iterator[int]:
    """Yield a descriptor of the directory of all homes.

    Raises:
        ClassroomError: it does not exist, or users other than the current one may rename what is in it.
    """
    try:
        store = os.open(path, _DIRECTORY)
    except OSError as error:
        raise ClassroomError(
            f"storage.path {path} cannot be opened ({error.strerror}); mount its disk, or make it: "
            f"install -d -m 0711 {path}"
        ) from error
    try:
        status = os.fstat(store)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise ClassroomError(
                f"storage.path {path} could be changed by others than root; run: chown root:root {path} && "
                f"chmod 0711 {path}"
            )
        yield store
    finally:
        os.close(store)


def check_home_name(name: str, prefix: str) -> str:
    """Return the name if it can be a home of the class with this prefix.

    Raises:
        ClassroomError: it is a home of another class, or no name that the hub gives.
    """
    if not _NAME.fullmatch(name) or not name.startswith(f"{prefix}-home-"):
        raise ClassroomError(f"{name[:80]!r} is not the name of a home of this class")
    return name


@contextlib.contextmanager
def open_home(store: int, name: str) -> Iterator[int]:
    """Yield a descriptor of a home.

    Raises:
        ClassroomError: it does not exist, or is not a directory.
    """
    try:
        home = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=store)
    except OSError as error:
        raise ClassroomError(f"the home {name} cannot be opened ({error.strerror}); inspect it as root") from error
    try:
        yield home
    finally:
        os.close(home)


def create_home_directory(store: int, name: str) -> None:
    """Create a home if there is none, owned by its student and readable by nobody else.

    Raises:
        ClassroomError: the disk is full or read-only, or something else than a directory has the name.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=store)
    except OSError as error:
        raise ClassroomError(f"the home {name} cannot be created ({error.strerror}); check its disk") from error
    with open_home(store, name) as home:
        status = os.fstat(home)
        if (status.st_uid, status.st_gid) != OWNER:
            # New, or restored by root from a backup.
            os.fchmod(home, 0o700)
            os.fchown(home, *OWNER)


def is_empty_home(home: int) -> bool:
    """Return whether an open home is empty: then its first files are still missing."""
    with os.scandir(home) as entries:
        return next(entries, None) is None


def measure_usage(home: int) -> HomeUsage:
    """Count the content of an open home, without names that the student removes meanwhile."""
    size = files = 0
    changed = 0.0
    linked: set[int] = set()
    for _, _, status in walk_home(home):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in linked:
                continue
            linked.add(status.st_ino)
        size += status.st_blocks * _BLOCK
        files += 1
        changed = max(changed, status.st_mtime)
    # A student may set any time on a file.
    return HomeUsage(size, files, min(changed, time.time()))


def walk_home(home: int) -> Iterator[tuple[int, str, os.stat_result]]:
    """Yield each entry of an open home: a descriptor of its directory, its name there, its status; "." is the home.

    Entries on other file systems are left out, and only directories are opened. Each descriptor is valid until the next
    entry.
    """
    top = os.fstat(home)
    yield home, ".", top
    open_directories: list[tuple[int, Iterator[str]]] = []

    def enter(directory: int) -> None:
        open_directories.append((directory, iter(os.listdir(directory))))

    try:
        enter(os.open(".", _DIRECTORY, dir_fd=home))
        while open_directories:
            directory, names = open_directories[-1]
            if (name := next(names, None)) is None:
                os.close(open_directories.pop()[0])
                continue
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if status.st_dev != top.st_dev:
                    continue
                yield directory, name, status
                if stat.S_ISDIR(status.st_mode) and len(open_directories) < _MAX_DEPTH:
                    enter(os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory))
            except (FileNotFoundError, NotADirectoryError):
                continue  # the student works
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
    finally:
        for directory, _ in open_directories:
            os.close(directory)
