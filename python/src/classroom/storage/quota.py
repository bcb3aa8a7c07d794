"""How much a home may hold: project quotas of XFS and ext4, by the kernel's own calls.

All that is in a home belongs to one project of the file system, and what is made there inherits it. The number is kept
in an attribute of the home that only root reads and writes: a student could set a project's number on their own files.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.storage.folders import entries

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTE = "trusted.classroom.project"

# <linux/fs.h>: struct fsxattr is flags, extent size, extents, project, copy-on-write extent size, 8 bytes of padding.
_FSXATTR = struct.Struct("=5I8x")
_GET_XATTR = 0x801C581F
_SET_XATTR = 0x401C5820
_INHERIT = 0x200

# <linux/quota.h> and quotactl(2). quotactl_fd has one number on all architectures since it is newer than 5.1.
_QUOTACTL_FD = 443
_PROJECTS = 2
_GET_QUOTA = 0x800007
_SET_QUOTA = 0x800008
_GET_STATE = ord("X") << 8 | 5
_DQBLK = struct.Struct("=8QI4x")
_BLOCK = 1024  # bytes
_LIMITS = 1 | 4  # of blocks and of inodes
_ACCOUNTED, _ENFORCED = 1 << 4, 1 << 5

_FIRST = 0x10000000
"""Our projects begin here: the engine numbers its own from 1."""
_NUMBERS = 0x40000000

_numbering = threading.Lock()
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Spent:
    """What the file system says of a project."""

    most: int
    """Bytes that it may hold; 0 means no bound."""
    size: int
    """Bytes that it holds."""
    most_files: int
    """Files and folders that it may hold; 0 means no bound."""
    files: int


def mistake(store: int, path: Path) -> str | None:
    """Why homes in this open folder cannot be bounded, with the commands that mend it; None if they can.

    Accounting alone is not enough: ext4 with the feature but not the mount option counts and bounds nothing.
    """
    state = bytearray(256)
    try:
        _quotactl(store, _GET_STATE, 0, state)
        flags = int.from_bytes(state[2:4], "little" if _is_little() else "big")
        if flags & _ACCOUNTED and flags & _ENFORCED:
            return None
    except OSError as error:
        if error.errno == errno.EPERM:
            return "storage.quota: homes cannot be bounded without root's rights; run homes-helper as root"
    return (
        f"storage.quota: the file system of {path} has no project quotas, so homes are not bounded; mount it with the "
        "option prjquota (ext4: unmounted first, tune2fs -O project,quota -Q prjquota DEVICE), or leave quota out"
    )


def bound(store: int, found: int, name: str, most: int, most_files: int | None) -> None:
    """Let an open home hold at most so much. What is in it already counts; too much there is left alone.

    Args:
        store: the open folder of all homes.
        found: the open home.
        name: its name.
        most: bytes.
        most_files: files and folders; None for no bound.

    Raises:
        OSError: the file system has no project quotas.
    """
    with _numbering:
        project = number(found)
        if project is None:
            project = _free(store, name)
            os.setxattr(found, ATTRIBUTE, str(project).encode())
        limits = _DQBLK.pack(-(-most // _BLOCK), 0, 0, most_files or 0, 0, 0, 0, 0, _LIMITS)
        _quotactl(store, _SET_QUOTA, project, bytearray(limits))
    if _project(found) != (project, _INHERIT):
        _assign(found, project)


def unbound(store: int, found: int) -> None:
    """Let an open home hold whatever there is room for again; it is still counted."""
    if (project := number(found)) is not None:
        _quotactl(store, _SET_QUOTA, project, bytearray(_DQBLK.pack(0, 0, 0, 0, 0, 0, 0, 0, _LIMITS)))


def spent(store: int, found: int) -> Spent | None:
    """What an open home holds, as the file system counts it; None if it has never been bounded."""
    project = number(found)
    return None if project is None else _look(store, project)


def number(found: int) -> int | None:
    """The project of an open home."""
    try:
        return int(os.getxattr(found, ATTRIBUTE))
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return None
        raise


def _free(store: int, name: str) -> int:
    start = zlib.crc32(name.encode())
    for step in range(1000):
        project = _FIRST + (start + step) % _NUMBERS
        if _look(store, project) == Spent(0, 0, 0, 0):
            return project
    raise ClassroomError(f"no number of a project is free for {name}; look at: repquota -P")


def _look(store: int, project: int) -> Spent:
    answer = bytearray(_DQBLK.size)
    try:
        _quotactl(store, _GET_QUOTA, project, answer)
    except OSError as error:
        if error.errno != errno.ENOENT:  # XFS of a project that it has not heard of
            raise
    most, _, size, most_files, _, files, *_ = _DQBLK.unpack(answer)
    return Spent(most * _BLOCK, size, most_files, files)


def _assign(found: int, project: int) -> None:
    """Put all that is in a home into a project; the home itself last, which says that it is done."""
    for folder, name, status in entries(found):
        if name == "." or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            continue
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
                continue  # the student works
            raise
        try:
            mode = os.fstat(file).st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                _set_project(file, project, inherit=stat.S_ISDIR(mode))
        finally:
            os.close(file)
    _set_project(found, project, inherit=True)


def _project(file: int) -> tuple[int, int]:
    flags, _, _, project, _ = _FSXATTR.unpack(fcntl.ioctl(file, _GET_XATTR, bytes(_FSXATTR.size)))
    return project, flags & _INHERIT


def _set_project(file: int, project: int, *, inherit: bool) -> None:
    flags, extent, extents, _, copied = _FSXATTR.unpack(fcntl.ioctl(file, _GET_XATTR, bytes(_FSXATTR.size)))
    flags = flags | _INHERIT if inherit else flags & ~_INHERIT
    fcntl.ioctl(file, _SET_XATTR, _FSXATTR.pack(flags, extent, extents, project, copied))


def _quotactl(file: int, command: int, project: int, data: bytearray) -> None:
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    arguments = ctypes.c_uint(command << 8 | _PROJECTS), ctypes.c_uint(project), ctypes.byref(buffer)
    if _libc.syscall(ctypes.c_long(_QUOTACTL_FD), ctypes.c_uint(file), *arguments):
        number_ = ctypes.get_errno()
        raise OSError(number_, os.strerror(number_))


def _is_little() -> bool:
    return struct.pack("=H", 1) == struct.pack("<H", 1)
