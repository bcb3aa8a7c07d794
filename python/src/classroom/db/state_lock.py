"""One backup or restore at a time, and no hub on half of one."""

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
"""In the state directory while a whole class is being restored: the hub does not start then."""


@contextlib.contextmanager
def held(state: Path, what: str) -> Iterator[None]:
    """Hold the lock of a class's state directory. It ends with the process, however that ends.

    Args:
        state: the state directory.
        what: is being done, for those who come second.

    Raises:
        ClassroomError: another process holds it, or the directory cannot be written.
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
        os.pwrite(descriptor, f"{what} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def refuse_unfinished(state: Path) -> None:
    """Stop a hub from starting on half a class.

    Raises:
        ClassroomError: a restore was begun and has not ended.
    """
    if (state / UNFINISHED).exists():
        raise ClassroomError(
            "A restore was begun and has not ended: run the same classroom backup restore again, which goes on where "
            f"it was, or remove {state / UNFINISHED} to start with what there is"
        )
