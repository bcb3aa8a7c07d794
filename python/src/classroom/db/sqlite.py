"""The hub's database as a file: copied while the hub writes, looked at, and never replaced by half of another."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.files import own_like

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "jupyterhub.sqlite"
_BUSY = 30  # seconds to wait for a hub that is writing


@dataclass(frozen=True)
class Revisions:
    """Of which form the tables are; None where they are not there."""

    hub: str | None
    """JupyterHub's, as its alembic counts."""
    classroom: str | None
    """Ours (`classroom.db.migrations`)."""

    def __str__(self) -> str:
        return f"{self.hub or 'none'}/{self.classroom or 'none'}"


def file_of(state: Path) -> Path:
    """Where the hub keeps its database."""
    return state / NAME


def copy(source: Path, target: Path) -> None:
    """Copy a database by SQLite's online backup: all of it as at one instant, while others write.

    The copy is only its owner's to read, complete, and checked when it appears under its name.

    Raises:
        ClassroomError: the database cannot be read or is damaged, or there is no room for the copy.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with _opened(source) as original, contextlib.closing(sqlite3.connect(draft)) as made:
            original.backup(made)
            # A copy of a write-ahead log would need its companions.
            made.execute("PRAGMA journal_mode = DELETE")
            (found,) = made.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise ClassroomError(
                f"{source}: the database is damaged ({found}); put back an older one: classroom upgrade rollback, or "
                "classroom backup restore"
            )
        _sync(draft)
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise ClassroomError(
            f"{source}: cannot be copied to {target} ({error}); free space or mend its owner"
        ) from error
    finally:
        for left in (draft, draft.with_name(f"{draft.name}-journal")):
            left.unlink(missing_ok=True)


def put(source: Path, target: Path) -> None:
    """Put a copy in the place of the database of a hub that does not run. A crash leaves the one or the other.

    Raises:
        ClassroomError: it cannot be written.
    """
    draft = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        own_like(draft, target.parent)
        _sync(draft)
        # What a killed hub had not finished writing belongs to the one that goes.
        for companion in ("-journal", "-wal", "-shm"):
            target.with_name(target.name + companion).unlink(missing_ok=True)
        draft.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise ClassroomError(f"{target}: cannot be written ({error.strerror}); free space or mend its owner") from error
    finally:
        draft.unlink(missing_ok=True)


def revisions(file: Path) -> Revisions:
    """Of which form the tables in a database are.

    Raises:
        ClassroomError: it is no database.
    """
    with _opened(file) as database:
        try:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

            def version(table: str) -> str | None:
                if table not in tables:
                    return None
                row = database.execute(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608 - one of two names
                return str(row[0]) if row else None

            return Revisions(hub=version("alembic_version"), classroom=version("classroom_version"))
        except sqlite3.Error as error:
            raise ClassroomError(f"{file}: cannot be read as a database ({error})") from error


def rows(file: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """The rows of a query; none where a table or column is not there.

    Raises:
        ClassroomError: it is no database.
    """
    with _opened(file) as database:
        try:
            found: list[tuple[object, ...]] = database.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such"):
                return []
            raise ClassroomError(f"{file}: cannot be read ({error})") from error
        except sqlite3.Error as error:
            raise ClassroomError(f"{file}: cannot be read as a database ({error})") from error
        return found


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.exists():
        raise ClassroomError(f"{file}: there is no database; it is made when the hub starts for the first time")
    try:
        # Not read-only: what a killed hub left half written is taken back by whoever opens it next.
        opened = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_BUSY)
    except sqlite3.Error as error:
        raise ClassroomError(f"{file}: cannot be opened ({error}); run this as root or as the hub's user") from error
    with contextlib.closing(opened):
        yield opened


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
