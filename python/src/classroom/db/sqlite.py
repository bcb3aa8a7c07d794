"""The hub's SQLite file: opening, reading, online copy and atomic replacement."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError, remedy
from classroom.files import own_like

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "jupyterhub.sqlite"
_BUSY_TIMEOUT = 30  # seconds to wait for a hub that is writing


@dataclass(frozen=True)
class Revisions:
    """Schema revisions of a database; None where the tables do not exist."""

    hub: str | None
    """JupyterHub's, in its own alembic table."""
    classroom: str | None
    """Ours (`classroom.db.migrations`)."""

    def __str__(self) -> str:
        return f"{self.hub or 'none'}/{self.classroom or 'none'}"


def database_file(state: Path) -> Path:
    """Return the path of the hub's database in a state directory."""
    return state / FILE_NAME


@contextlib.contextmanager
def open_database(file: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing database, and close it at the end. Everything outside the hub opens it in this way.

    Raises:
        ClassroomError: the file does not exist or cannot be opened.
    """
    if not file.exists():
        raise ClassroomError(f"{file}: there is no database; the hub creates it when it starts for the first time")
    try:
        # Not mode=ro: a killed hub leaves a journal, which SQLite must roll back before anyone can read.
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT)
    except sqlite3.Error as error:
        raise ClassroomError(f"{file}: cannot be opened ({error}); run this as root or as the hub's user") from error
    with contextlib.closing(connection):
        yield connection


def select_rows(file: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Return the rows of a query; none where a table or column does not exist.

    Raises:
        ClassroomError: the file is not a database.
    """
    with open_database(file) as connection:
        try:
            rows: list[tuple[object, ...]] = connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such"):
                return []
            raise ClassroomError(f"{file}: cannot be read ({error})") from error
        except sqlite3.Error as error:
            raise ClassroomError(f"{file}: cannot be read as a database ({error})") from error
        return rows


def read_revisions(file: Path) -> Revisions:
    """Return the schema revisions of a database.

    Raises:
        ClassroomError: the file is not a database.
    """

    def version(table: str) -> str | None:
        rows = select_rows(file, f"SELECT version_num FROM {table}")  # noqa: S608 - one of two names
        return str(rows[0][0]) if rows else None

    return Revisions(hub=version("alembic_version"), classroom=version("classroom_version"))


def copy_database(source: Path, target: Path) -> None:
    """Copy a database by SQLite's online backup: a consistent snapshot while others write.

    Only the owner can read the copy. It appears under its name when it is complete and checked.

    Raises:
        ClassroomError: the database cannot be read or is damaged, or there is no room for the copy.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with open_database(source) as original, open_database(draft) as copy:
            original.backup(copy)
            # A copy with a write-ahead log would need its companion files.
            copy.execute("PRAGMA journal_mode = DELETE")
            (problem,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise ClassroomError(
                f"{source}: the database is damaged ({problem}); put back an older one: classroom upgrade rollback, or "
                "classroom backup restore"
            )
        _sync(draft)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise ClassroomError(
            f"{source}: cannot be copied to {target} ({error}); free space or correct the owner of the directory"
        ) from error
    finally:
        for leftover in (draft, draft.with_name(f"{draft.name}-journal")):
            leftover.unlink(missing_ok=True)


def replace_database(source: Path, target: Path) -> None:
    """Replace the database of a stopped hub by a copy, atomically: a crash leaves the old one or the new one.

    Raises:
        ClassroomError: the file cannot be written.
    """
    draft = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        own_like(draft, target.parent)
        _sync(draft)
        # The journal of a killed hub belongs to the old database.
        for companion in ("-journal", "-wal", "-shm"):
            target.with_name(target.name + companion).unlink(missing_ok=True)
        draft.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise ClassroomError(
            f"{target}: cannot be written ({error.strerror}); {remedy(error, 'correct the owner of the directory')}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
