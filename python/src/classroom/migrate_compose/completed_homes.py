"""Record of the homes that have been given their files (`adopted.json` in the state directory), and its lock.

By this record a second run changes nothing, and what a student deletes stays deleted.
"""

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

RECORD = "adopted.json"

_writing = threading.Lock()


def read_completed(state: Path) -> dict[str, Any]:
    """Return the recorded homes by location: where the files came from (`from`), when `unpacked`, when `done`.

    Raises:
        ClassroomError: the record cannot be read.
    """
    file = state / RECORD
    try:
        homes: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["homes"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassroomError(
            f"{file}: cannot be read ({error}); run this as root, or restore it from a backup"
        ) from error
    return homes


def mark_unpacked(state: Path, location: str, source: Path) -> None:
    """Record that a home holds all files under a temporary name. The record is on the disk when this returns.

    Raises:
        ClassroomError: the record cannot be written.
    """
    _update(state, location, {"from": str(source), "unpacked": _now()})


def mark_completed(state: Path, location: str) -> None:
    """Record that a home is complete. Errors as for `mark_unpacked`."""
    _update(state, location, {"done": _now()})


def _update(state: Path, location: str, fields: dict[str, str]) -> None:
    with _writing:
        homes = read_completed(state)
        homes[location] = homes.get(location, {}) | fields
        write_atomically(state / RECORD, json.dumps({"homes": homes}, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def exclusive_migration(state: Path) -> Iterator[None]:
    """Hold the lock of the migration; the kernel releases it however the process ends.

    Raises:
        ClassroomError: another process holds it, or the state directory does not exist.
    """
    try:
        descriptor = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ClassroomError(
            f"{state}: cannot be opened ({error.strerror}); start the hub, which creates it"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ClassroomError("Another classroom adopt is running; wait until it ends") from error
    finally:
        os.close(descriptor)
