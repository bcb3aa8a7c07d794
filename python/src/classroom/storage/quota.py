"""Quotas of homes: project quotas of XFS and ext4, by system calls.

All content of a home belongs to one project of the file system, and new files inherit it. An attribute of the home that
only root reads and writes stores the project's number: a student could set a project's number on their own files.
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
from classroom.storage.home_directories import walk_home

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_ATTRIBUTE = "trusted.classroom.project"

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

_FIRST_PROJECT = 0x10000000
"""The engine numbers its own projects from 1."""
_PROJECT_COUNT = 0x40000000

_assign_lock = threading.Lock()
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class QuotaUsage:
    """Usage and limits of a project, as the file system counts them."""

    max_bytes: int
    """0 means no limit."""
    bytes: int
    max_files: int
    """Files and directories; 0 means no limit."""
    files: int


def check_support(store: int, path: Path) -> str | None:
    """Return why homes in this open directory can have no quota, with the commands that fix it; None if they can.

    Accounting alone is not enough: ext4 with the feature but without the mount option counts, and limits nothing.
    """
    state = bytearray(256)
    try:
        _quotactl(store, _GET_STATE, 0, state)
        flags = int.from_bytes(state[2:4], "little" if _is_little() else "big")
        if flags & _ACCOUNTED and flags & _ENFORCED:
            return None
    except OSError as error:
        if error.errno == errno.EPERM:
            return "storage.quota: quotas of homes need root's rights; run homes-helper as root"
    return (
        f"storage.quota: the file system of {path} has no project quotas, so homes have no limit; mount it with the "
        "option prjquota (ext4: unmounted first, tune2fs -O project,quota -Q prjquota DEVICE), or leave quota out"
    )


def set_limit(store: int, home: int, name: str, max_bytes: int, max_files: int | None) -> None:
    """Set the quota of an open home. Existing files count; nothing is deleted if they exceed it.

    Args:
        store: the open directory of all homes.
        home: the open home.
        name: its name.
        max_bytes: the limit in bytes.
        max_files: the limit of files and directories; None for no limit.

    Raises:
        OSError: the file system has no project quotas.
    """
    with _assign_lock:
        project = project_id(home)
        if project is None:
            project = _free_project_id(store, name)
            os.setxattr(home, PROJECT_ATTRIBUTE, str(project).encode())
        limits = _DQBLK.pack(-(-max_bytes // _BLOCK), 0, 0, max_files or 0, 0, 0, 0, 0, _LIMITS)
        _quotactl(store, _SET_QUOTA, project, bytearray(limits))
    if _project(home) != (project, _INHERIT):
        _assign_project(home, project)


def remove_limit(store: int, home: int) -> None:
    """Remove the limits of an open home; its usage is still counted."""
    if (project := project_id(home)) is not None:
        _quotactl(store, _SET_QUOTA, project, bytearray(_DQBLK.pack(0, 0, 0, 0, 0, 0, 0, 0, _LIMITS)))


def read_usage(store: int, home: int) -> QuotaUsage | None:
    """Return usage and limits of an open home, as the file system counts them; None if it never had a quota."""
    project = project_id(home)
    return None if project is None else _read_quota(store, project)


def project_id(home: int) -> int | None:
    """Return the project of an open home; None if it has none."""
    try:
        return int(os.getxattr(home, PROJECT_ATTRIBUTE))
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return None
        raise


def _free_project_id(store: int, name: str) -> int:
    start = zlib.crc32(name.encode())
    for step in range(1000):
        project = _FIRST_PROJECT + (start + step) % _PROJECT_COUNT
        if _read_quota(store, project) == QuotaUsage(0, 0, 0, 0):
            return project
    raise ClassroomError(f"no project number is free for {name}; look at: repquota -P")


def _read_quota(store: int, project: int) -> QuotaUsage:
    answer = bytearray(_DQBLK.size)
    try:
        _quotactl(store, _GET_QUOTA, project, answer)
    except OSError as error:
        if error.errno != errno.ENOENT:  # XFS, for an unknown project
            raise
    max_blocks, _, size, max_files, _, files, *_ = _DQBLK.unpack(answer)
    return QuotaUsage(max_blocks * _BLOCK, size, max_files, files)


def _assign_project(home: int, project: int) -> None:
    """Put all content of a home into a project, and the home itself last: that marks the assignment as complete."""
    for directory, name, status in walk_home(home):
        if name == "." or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            continue
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
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
    _set_project(home, project, inherit=True)


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
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _is_little() -> bool:
    return struct.pack("=H", 1) == struct.pack("<H", 1)
