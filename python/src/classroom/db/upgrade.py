"""Database upgrade and rollback: before a migration the database is copied, and the copy can be put back.

The migration itself runs on a second copy, which replaces the database when it is complete: a killed hub or a full disk
changes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import alembic.command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from jupyterhub import dbutil
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from classroom.db import migrations, sqlite
from classroom.db.sqlite import Revisions
from classroom.errors import ClassroomError, remedy
from classroom.files import own_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COPIES_DIRECTORY = "database-copies"
KEPT_COPIES = 5
"""How many copies are kept, and in addition the newest of each older revision."""


@dataclass(frozen=True)
class DatabaseCopy:
    """A copy of the database in the state directory."""

    file: Path
    made: datetime
    reason: str
    revisions: Revisions
    size: int
    """Bytes."""


@dataclass(frozen=True)
class DatabaseStatus:
    """Installed versions, the database's revisions and its copies."""

    installed: dict[str, str]
    """Package and version."""
    head: Revisions
    """Revisions of the installed version."""
    current: Revisions | None
    """Revisions of the database; None when there is none yet."""
    is_compatible: bool
    """The installed version can use the database, with or without a migration."""
    copies: tuple[DatabaseCopy, ...]
    """Newest first."""

    @property
    def must_migrate(self) -> bool:
        """Return whether the next start of the hub migrates the database."""
        return self.current is not None and self.is_compatible and self.current != self.head


def inspect_database(state: Path) -> DatabaseStatus:
    """Return the status of the database in a state directory. Nothing is changed."""
    file = sqlite.database_file(state)
    current = sqlite.read_revisions(file) if file.exists() else None
    return DatabaseStatus(
        installed={
            "classroom": version("classroom"),
            "jupyterhub": version("jupyterhub"),
            "nativeauthenticator": version("jupyterhub-nativeauthenticator"),
        },
        head=_head(),
        current=current,
        is_compatible=current is None or is_compatible(current),
        copies=list_copies(state),
    )


def is_compatible(revisions: Revisions) -> bool:
    """Return whether the installed version can use, or migrate, a database of these revisions."""
    try:
        is_known = revisions.hub is None or bool(_hub_scripts().get_revision(revisions.hub))
    except CommandError:
        is_known = False
    return is_known and migrations.is_known(revisions.classroom)


def prepare_database(state: Path) -> DatabaseCopy | None:
    """Migrate the database of a hub that is about to start to the installed version.

    Returns:
        the copy that was made before the migration, or None when none was necessary.

    Raises:
        ClassroomError: the database is of a newer version, or the migration failed; nothing has changed then.
    """
    file = sqlite.database_file(state)
    _remove_drafts(file)  # of a killed hub, perhaps of another version
    if not file.exists():
        return None
    current = sqlite.read_revisions(file)
    if current.hub is None or current == _head():
        return None  # empty, or current; JupyterHub itself refuses what is older than alembic
    if not is_compatible(current):
        raise _newer_version(current, list_copies(state))
    copy = save_copy(state, "upgrade")
    draft = file.with_name(f".{file.name}.migrating")
    try:
        sqlite.copy_database(file, draft)
        _migrate(draft)
        sqlite.replace_database(draft, file)
    finally:
        _remove_drafts(file)
    return copy


def _remove_drafts(file: Path) -> None:
    for draft in file.parent.glob(f"*.{file.name}.migrating*"):
        draft.unlink()


def save_copy(state: Path, reason: str) -> DatabaseCopy:
    """Copy the current database into the state directory's copies, and remove surplus copies.

    Args:
        state: the state directory.
        reason: one word, part of the file's name.

    Raises:
        ClassroomError: there is no room for it.
    """
    directory = state / COPIES_DIRECTORY
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        own_like(directory, state)
    except OSError as error:
        raise ClassroomError(
            f"{directory}: cannot be created ({error.strerror}); {remedy(error, f'correct the owner of {state}')}"
        ) from error
    target = directory / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S.%fZ}-{reason}.sqlite"
    sqlite.copy_database(sqlite.database_file(state), target)
    own_like(target, state)
    kept: set[Revisions] = set()
    for index, copy in enumerate(list_copies(state)):
        if index >= KEPT_COPIES and copy.revisions in kept:
            copy.file.unlink(missing_ok=True)
        kept.add(copy.revisions)
    return _describe(target)


def list_copies(state: Path) -> tuple[DatabaseCopy, ...]:
    """Return the copies of the database, newest first."""
    files = sorted((state / COPIES_DIRECTORY).glob("[0-9]*-*.sqlite"), reverse=True)
    return tuple(_describe(file) for file in files)


def choose_copy(state: Path, name: str | None = None) -> DatabaseCopy:
    """Return the copy of the database that a rollback restores.

    Args:
        state: the state directory.
        name: the copy's file name. By default the newest copy that the installed version can use, if it cannot use the
            current database; otherwise the newest copy of another revision, for installing the previous version.

    Raises:
        ClassroomError: there is no such copy.
    """
    copies = list_copies(state)
    if name is None:
        chosen = _default_copy(inspect_database(state), copies)
    else:
        chosen = next((copy for copy in copies if copy.file.name == name), None)
    if chosen is None:
        names = ", ".join(copy.file.name for copy in copies) or "none"
        raise ClassroomError(
            f"There is no copy{f' named {name}' if name else ''} for a rollback (copies: {names}); "
            "the accounts are in the backups too: classroom backup list"
        )
    return chosen


def roll_back(state: Path, chosen: DatabaseCopy) -> None:
    """Replace the database of a hub that does not run by one of its copies, after copying the current one.

    Raises:
        ClassroomError: there is no room for it.
    """
    with tempfile.TemporaryDirectory(dir=state) as directory:
        # Saving the current database may remove the chosen copy as surplus.
        draft = Path(directory) / chosen.file.name
        sqlite.copy_database(chosen.file, draft)
        if sqlite.database_file(state).exists():
            save_copy(state, "rollback")
        sqlite.replace_database(draft, sqlite.database_file(state))


def _default_copy(status: DatabaseStatus, copies: Sequence[DatabaseCopy]) -> DatabaseCopy | None:
    if not status.is_compatible:
        return _newest_compatible(copies)
    return next((copy for copy in copies if copy.revisions != status.current), None)


def _newest_compatible(copies: Sequence[DatabaseCopy]) -> DatabaseCopy | None:
    return next((copy for copy in copies if is_compatible(copy.revisions)), None)


def _newer_version(current: Revisions, copies: Sequence[DatabaseCopy]) -> ClassroomError:
    copy = _newest_compatible(copies)
    remedy = (
        f"restore its copy of {copy.made:%Y-%m-%d %H:%M} UTC, without later changes: classroom upgrade rollback"
        if copy
        else "restore a backup from before: classroom backup list"
    )
    return ClassroomError(
        f"The database ({current}) is of a newer version than the installed one ({_head()}): install that version "
        f"again, or {remedy}"
    )


def _describe(file: Path) -> DatabaseCopy:
    time, _, reason = file.stem.partition("Z-")
    return DatabaseCopy(
        file=file,
        made=datetime.strptime(time, "%Y-%m-%dT%H%M%S.%f").replace(tzinfo=UTC),
        reason=reason,
        revisions=sqlite.read_revisions(file),
        size=file.stat().st_size,
    )


def _head() -> Revisions:
    return Revisions(hub=_hub_scripts().get_current_head(), classroom=migrations.head())


def _hub_scripts() -> ScriptDirectory:
    return ScriptDirectory(dbutil.ALEMBIC_DIR)


def _migrate(file: Path) -> None:
    url = f"sqlite:///{file}"
    try:
        with tempfile.TemporaryDirectory() as directory, _kept_logging():
            configuration = Path(directory) / "alembic.ini"
            dbutil.write_alembic_ini(str(configuration), url)
            alembic.command.upgrade(Config(configuration), "head")
        engine = create_engine(url)
        with engine.begin() as connection:
            migrations.upgrade(connection)
        engine.dispose()
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise ClassroomError(
            f"The database could not be migrated to this version and is as it was ({error}); install the previous "
            "version again and report this."
        ) from error


@contextlib.contextmanager
def _kept_logging() -> Iterator[None]:
    """Restore the root logger's handlers and level, which JupyterHub's migrations change."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = before
