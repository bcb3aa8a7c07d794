"""Upgrades that can be undone: before a database is brought to a new form, a copy of it is set aside.

The migration works on a copy too, which takes the place of the database when all of it has succeeded: a hub that is
killed, or a disk that is full, in the middle of it changes nothing.
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
from classroom.errors import ClassroomError
from classroom.files import own_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = "database-copies"
KEPT = 5
"""How many copies are kept; beyond them, the newest of each form."""


@dataclass(frozen=True)
class Copy:
    """A database that was set aside."""

    file: Path
    made: datetime
    reason: str
    revisions: Revisions
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Status:
    """What is installed, what the database is, and which copies there are."""

    installed: dict[str, str]
    """Package and version."""
    head: Revisions
    """What the installed version makes of a database."""
    found: Revisions | None
    """What the database is; None when there is none yet."""
    fits: bool
    """The installed version can use it, after a migration or as it is."""
    copies: tuple[Copy, ...]
    """Newest first."""

    @property
    def must_migrate(self) -> bool:
        """The next start of the hub migrates it."""
        return self.found is not None and self.fits and self.found != self.head


def look(state: Path) -> Status:
    """Say how things are. Nothing is changed."""
    file = sqlite.file_of(state)
    found = sqlite.revisions(file) if file.exists() else None
    return Status(
        installed={
            "classroom": version("classroom"),
            "jupyterhub": version("jupyterhub"),
            "nativeauthenticator": version("jupyterhub-nativeauthenticator"),
        },
        head=_head(),
        found=found,
        fits=found is None or fits(found),
        copies=copies(state),
    )


def fits(found: Revisions) -> bool:
    """Whether the installed version can use a database of this form."""
    return _knows(_hub_scripts(), found.hub) and _knows(migrations.scripts(), found.classroom)


def prepare(state: Path) -> Copy | None:
    """Bring the database of a hub that is about to start to the form that it needs.

    Returns:
        the copy that was made of it before, or None when nothing was to be done.

    Raises:
        ClassroomError: it is of a newer version, or could not be migrated; it is then as it was.
    """
    file = sqlite.file_of(state)
    if not file.exists():
        return None
    found = sqlite.revisions(file)
    if found.hub is None or found == _head():
        return None  # empty, or right; JupyterHub itself refuses what is older than alembic
    if not fits(found):
        raise _newer(found, copies(state))
    made = set_aside(state, "upgrade")
    draft = file.with_name(f".{file.name}.migrating")
    try:
        sqlite.copy(file, draft)
        _migrate(draft)
        sqlite.put(draft, file)
    finally:
        for left in file.parent.glob(f"{draft.name}*"):
            left.unlink()
    return made


def set_aside(state: Path, reason: str) -> Copy:
    """Keep a copy of the database as it is now.

    Args:
        state: the state directory.
        reason: why, in one word.

    Raises:
        ClassroomError: there is no room for it.
    """
    folder = state / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        own_like(folder, state)
    except OSError as error:
        raise ClassroomError(
            f"{folder}: cannot be made ({error.strerror}); mend the state directory's owner"
        ) from error
    now = datetime.now(UTC)
    target = folder / f"{now:%Y-%m-%dT%H%M%S.%fZ}-{reason}.sqlite"
    sqlite.copy(sqlite.file_of(state), target)
    own_like(target, state)
    for old in _surplus(copies(state)):
        old.file.unlink(missing_ok=True)
    return _read(target)


def copies(state: Path) -> tuple[Copy, ...]:
    """The copies that are kept, newest first."""
    found = sorted((state / FOLDER).glob("[0-9]*-*.sqlite"), reverse=True)
    return tuple(_read(file) for file in found)


def rollback(state: Path, name: str | None = None) -> Copy:
    """Put a copy back in the place of the database, which is set aside first. The hub must not run.

    Args:
        state: the state directory.
        name: the copy's file name; unless given, the newest that fits: what is installed where the database does not,
            else the newest of another form, for going back to the version before.

    Raises:
        ClassroomError: there is no such copy.
    """
    kept = copies(state)
    chosen = (
        _choose(look(state), kept) if name is None else next((each for each in kept if each.file.name == name), None)
    )
    if chosen is None:
        listed = ", ".join(each.file.name for each in kept) or "there is none"
        raise ClassroomError(
            f"No copy to go back to{f' is named {name}' if name else ''} ({listed}); "
            "the accounts are in the backups too: classroom backup list"
        )
    with tempfile.TemporaryDirectory(dir=state) as folder:
        # Setting the present one aside may push the chosen copy over the bound.
        kept_here = Path(folder) / chosen.file.name
        sqlite.copy(chosen.file, kept_here)
        if sqlite.file_of(state).exists():
            set_aside(state, "rollback")
        sqlite.put(kept_here, sqlite.file_of(state))
    return chosen


def _choose(status: Status, kept: Sequence[Copy]) -> Copy | None:
    if not status.fits:
        return next((each for each in kept if fits(each.revisions)), None)
    return next((each for each in kept if each.revisions != status.found), None)


def _newer(found: Revisions, kept: Sequence[Copy]) -> ClassroomError:
    remedy = next((each for each in kept if fits(each.revisions)), None)
    way_back = (
        f"run classroom upgrade rollback to put back the copy of {remedy.made:%Y-%m-%d %H:%M} UTC"
        if remedy
        else "restore one of its time: classroom backup list"
    )
    return ClassroomError(
        f"The database ({found}) is of a newer version than this one (JupyterHub {version('jupyterhub')}): install "
        f"the newer version again, or {way_back}; accounts made since then are not in it."
    )


def _surplus(kept: Sequence[Copy]) -> list[Copy]:
    seen: set[Revisions] = set()
    surplus = []
    for place, each in enumerate(kept):
        if place >= KEPT and each.revisions in seen:
            surplus.append(each)
        seen.add(each.revisions)
    return surplus


def _read(file: Path) -> Copy:
    made, _, reason = file.stem.partition("Z-")
    return Copy(
        file=file,
        made=datetime.strptime(made, "%Y-%m-%dT%H%M%S.%f").replace(tzinfo=UTC),
        reason=reason,
        revisions=sqlite.revisions(file),
        size=file.stat().st_size,
    )


def _head() -> Revisions:
    return Revisions(hub=_hub_scripts().get_current_head(), classroom=migrations.scripts().get_current_head())


def _knows(scripts: ScriptDirectory, revision: str | None) -> bool:
    if revision is None:
        return True
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False


def _hub_scripts() -> ScriptDirectory:
    return ScriptDirectory(dbutil.ALEMBIC_DIR)


def _migrate(file: Path) -> None:
    url = f"sqlite:///{file}"
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            configuration = Path(folder) / "alembic.ini"
            dbutil.write_alembic_ini(str(configuration), url)
            alembic.command.upgrade(Config(configuration), "head")
        engine = create_engine(url)
        # Ours stand beside stock NativeAuthenticator's, which it makes itself when it has none yet.
        with engine.begin() as connection:
            migrations.upgrade(connection)
        engine.dispose()
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise ClassroomError(
            f"The database could not be brought to the form of this version and is as it was ({error}); install the "
            "version before again and report this."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Undo what JupyterHub's migrations do to the logging of the whole process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = before
