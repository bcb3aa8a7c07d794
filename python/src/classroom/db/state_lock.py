"""The lock of a state directory for backup and restore, and the mark of an unfinished restore."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


UNFINISHED = "restore-unfinished.json"
"""In the state directory while a restore of the class runs: the hub does not start then."""


@contextlib.contextmanager
def hold_state_lock(state: Path, operation: str) -> Iterator[None]:
    """Hold the lock of a class's state directory. The kernel releases it when the process ends, even if it is killed.

    Args:
        state: the state directory.
        operation: named in the error of a second caller, such as "A backup".

    Raises:
        ClassroomError: another process holds the lock, or the directory cannot be written.
    """
    file = state / "backup.lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ClassroomError(
            f"{file}: cannot be written ({error.strerror}); run this as root, with the settings of the class"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another backup"
            raise ClassroomError(f"{other} is under way: wait until it has ended, then run this again") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{operation} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def refuse_unfinished_restore(state: Path) -> None:
    """Stop the hub from starting on a partly restored class.

    Raises:
        ClassroomError: a restore was started and has not finished.
    """
    if (state / UNFINISHED).exists():
        raise ClassroomError(
            "A restore was started and has not finished: run the same classroom backup restore again, which continues "
            f"where it stopped, or remove {state / UNFINISHED} to start the hub with the current data"
        )
