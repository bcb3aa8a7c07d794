"""Which homes have been given their files: a second run changes nothing, and what a student deletes stays deleted."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError
from classroom.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "adopted.json"

_noting = threading.Lock()


def read(state: Path) -> dict[str, Any]:
    """Homes by what they are called: where from, when unpacked, and when `done`.

    Raises:
        ClassroomError: it cannot be read.
    """
    file = state / NAME
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["homes"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassroomError(
            f"{file}: cannot be read ({error}); run this as root, or restore it from a backup"
        ) from error
    return found


def unpacked(state: Path, location: str, source: Path) -> None:
    """Note that all files are in a home, under a name that is not yet theirs; on the disk when this returns.

    Raises:
        ClassroomError: it cannot be written.
    """
    _note(state, location, {"from": str(source), "unpacked": _now()})


def done(state: Path, location: str) -> None:
    """Note that a home is done; on the disk when this returns. Errors as for `unpacked`."""
    _note(state, location, {"done": _now()})


def _note(state: Path, location: str, said: dict[str, str]) -> None:
    with _noting:
        homes = read(state)
        homes[location] = homes.get(location, {}) | said
        write_atomically(state / NAME, json.dumps({"homes": homes}, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only one who takes over; the lock ends with the process, however it ends.

    Raises:
        ClassroomError: another one is at it, or the state directory is not there.
    """
    try:
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ClassroomError(f"{state}: cannot be opened ({error.strerror}); start the hub, which makes it") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ClassroomError("Another classroom adopt runs; wait for its end") from error
    finally:
        os.close(folder)
