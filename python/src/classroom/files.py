"""Files and directories: atomic writes, staged directories, and the exchange of one directory for another."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from typing import TYPE_CHECKING

from classroom import process
from classroom.errors import ClassroomError, remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2)


def write_atomically(file: Path, text: str) -> None:
    """Write a file that only its owner can read; it is on the disk when this returns.

    Raises:
        ClassroomError: it cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a killed process: in a container all have the same number
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        own_like(draft, file.parent)
        draft.replace(file)
    except OSError as error:
        raise ClassroomError(
            f"{file}: cannot be written ({error.strerror}); {remedy(error, 'correct its owner')}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def render_template(file: Path, filters: Mapping[str, Callable[..., object]] | None = None, **values: object) -> str:
    """Return a template of Jinja2 with its values; nothing is escaped."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - takes a while to import

    environment = Environment(  # noqa: S701 - these are no web pages
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters |= filters or {}
    return environment.from_string(file.read_text(encoding="utf-8")).render(values)


def own_like(path: Path, directory: Path) -> None:
    """Change the owner of a file that root created to the directory's owner, the hub's user."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def stage(directory: Path) -> Iterator[Path]:
    """Give an empty temporary directory that only its owner can read; remove it afterwards.

    Raises:
        ClassroomError: it cannot be created.
    """
    remove(directory)  # from a killed run
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        advice = remedy(error, f"correct the owner of {directory.parent}")
        raise ClassroomError(f"{directory}: cannot be created ({error.strerror}); {advice}") from error
    try:
        yield directory
    finally:
        remove(directory)


def swap(new: Path, place: Path) -> None:
    """Move a directory to its place, and remove the previous one.

    Args:
        new: on the same file system.
        place: may be missing.

    Raises:
        ClassroomError: it cannot be moved there.
    """
    before = place.with_name(f".{place.name}.before-restore")
    try:
        if before.exists():  # from a killed run
            if place.exists():
                remove(before)
            else:
                before.rename(place)
        if not place.exists():
            new.rename(place)
        elif _exchange(new, place):
            remove(new)
        else:
            place.rename(before)
            new.rename(place)
            remove(before)
    except OSError as error:
        raise ClassroomError(f"{place}: cannot be replaced ({error.strerror}); is something mounted there?") from error


def remove(directory: Path) -> None:
    """Remove a student's directory and its contents, however deep; links are not followed."""
    with contextlib.suppress(RecursionError):  # Python 3.11's fails for directories a thousand levels deep
        shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        process.run(["rm", "-rf", "--", directory], check=False)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two directories and return whether the file system can do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    done = libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number), str(second))
