"""Put a backup back: whole, or the home of one student.

Killed halfway it leaves the old or the new, and goes on when it is run again.
All is written beside its place first, on the same file system, and takes the place of what is there in one step.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from classroom import files
from classroom.backup import homes
from classroom.backup.manifest import Manifest, Move, moves
from classroom.db import sqlite, state_lock, upgrade
from classroom.db.state_lock import UNFINISHED
from classroom.errors import ClassroomError
from classroom.files import own_like, stage, swap
from classroom.hub.liveness import refuse_while_hub_runs
from classroom.storage import quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from classroom.settings.models import Settings

STAGE = ".classroom-restore"


class Source(Protocol):
    """Where a backup is read from."""

    @property
    def id(self) -> str:
        """Which backup it is."""

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a folder."""


@dataclass(frozen=True)
class Restored:
    """What a restore has done."""

    id: str
    made: str
    """When the backup was made."""
    homes: tuple[str, ...]
    """Locations of the homes that were put back."""
    accounts: bool
    """Accounts and secrets too."""
    kept: str | None
    """The copy of the database that was there before."""
    settings: str | None
    """Where the settings of the backup are now, if they are not the ones in use."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def restore_student(
    settings: Settings, source: Source, manifest: Manifest, student: str, *, overwrite: bool
) -> Restored:
    """Put one student's home back. The hub and all others may be at work.

    Raises:
        ClassroomError: it is not in the backup, has files here and `overwrite` is false, or is in use.
    """
    homes.refuse_without_rights(settings, "restore")
    state = settings.paths.state
    with state_lock.hold_state_lock(state, "A restore"):
        file = sqlite.database_file(state)
        chosen = moves(manifest, settings.docker.prefix, student, homes.locations(file) if file.exists() else {})
        location = chosen[0].location
        if settings.spawner == "process":
            refuse_while_hub_runs(settings, "to restore a home")
        if homes.busy(settings, (location,)):
            raise ClassroomError(
                f"{student}'s server runs and has the home open: stop it on /hub/admin, then run this again"
            )
        place = homes.make(settings, location, student)
        if _has_files(place) and not overwrite:
            raise ClassroomError(
                f"{student} has files here ({place}): add --overwrite to replace them by those of {manifest.made}, "
                "which loses what was made since"
            )
        _put_homes(settings, source, chosen, lambda _: None)
    return Restored(source.id, manifest.made, (location,), accounts=False, kept=None, settings=None)


def restore_all(
    settings: Settings, settings_file: Path, source: Source, manifest: Manifest, *, overwrite: bool
) -> Restored:
    """Put a class back: homes, accounts, secrets, and the settings where there are none.

    Raises:
        ClassroomError: the class runs, has accounts or files here and `overwrite` is false, or there is no room.
    """
    homes.refuse_without_rights(settings, "restore")
    if not upgrade.is_compatible(manifest.database):
        raise ClassroomError(
            f"The accounts in this backup are of a newer version (classroom {manifest.versions.get('classroom')}): "
            "install that one to restore it"
        )
    state = settings.paths.state
    _make_state(state)
    with state_lock.hold_state_lock(state, "A restore"):
        refuse_while_hub_runs(settings, "to restore a class")
        if running := homes.busy(settings):
            raise ClassroomError(
                f"Servers of this class run ({', '.join(running)}) and would lose their accounts: stop them with "
                f"docker stop $(docker ps -q --filter label=org.classroom.network={settings.network.name})"
            )
        chosen = moves(manifest, settings.docker.prefix)
        if running := homes.busy(settings, tuple(move.location for move in chosen)):
            raise ClassroomError(
                f"These homes are in use ({', '.join(running)}): stop what uses them, then run this again"
            )
        journal = _Journal(state / UNFINISHED, source.id)
        if not journal.goes_on and not overwrite:
            _refuse_if_not_empty(settings, chosen)
        journal.begin()
        left = tuple(move for move in chosen if move.location not in journal.done)
        _put_homes(settings, source, left, journal.add)
        kept, other = _put_state(settings, settings_file, source, manifest)
        journal.end()
    names = tuple(move.location for move in chosen)
    return Restored(source.id, manifest.made, names, accounts=True, kept=kept, settings=other)


def _put_homes(settings: Settings, source: Source, chosen: tuple[Move, ...], done: Callable[[str], None]) -> None:
    if not chosen:
        return
    places = {move: homes.make(settings, move.location, move.home.user) for move in chosen}
    with stage(next(iter(places.values())).parent / STAGE) as beside:
        source.restore([move.home.path for move in chosen], beside)
        for move, place in places.items():
            new = _below(beside, move.home.path)
            # A project's number of the machine of the backup may be another home's here; the helper gives one anew.
            with contextlib.suppress(OSError):
                os.removexattr(new, quota.PROJECT_ATTRIBUTE)
            swap(new, place)
            done(move.location)


def _put_state(
    settings: Settings, settings_file: Path, source: Source, manifest: Manifest
) -> tuple[str | None, str | None]:
    state = settings.paths.state
    with stage(state / STAGE) as beside:
        source.restore([manifest.folder], beside)
        folder = _below(beside, manifest.folder)
        saved = folder / sqlite.FILE_NAME
        _settle(saved, manifest.prefix, settings.docker.prefix)
        for path in (folder / "secrets", *(folder / "secrets").iterdir(), folder / "settings" / manifest.settings):
            own_like(path, state)
        other = _put_settings(folder / "settings" / manifest.settings, settings_file, state)
        swap(folder / "secrets", state / "secrets")
        kept = str(upgrade.save_copy(state, "restore").file) if sqlite.database_file(state).exists() else None
        # Last: what has accounts is complete.
        sqlite.replace_database(saved, sqlite.database_file(state))
    return kept, other


def _put_settings(saved: Path, settings_file: Path, state: Path) -> str | None:
    if settings_file.exists() and settings_file.read_bytes() == saved.read_bytes():
        return None
    target = state / f"settings-of-backup{saved.suffix}" if settings_file.exists() else settings_file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved, target)
        if target != settings_file:
            own_like(target, state)
    except OSError as error:
        raise ClassroomError(f"{target}: cannot be written ({error.strerror}); mend the folder's owner") from error
    return str(target)


def _settle(file: Path, old: str, new: str) -> None:
    """Make a saved database one of this class: homes have its names, and no server runs."""
    with sqlite.open_database(file) as opened, opened:
        # The servers of when it was made: an engine that still has one of those containers would be believed.
        opened.execute("DELETE FROM servers WHERE id IN (SELECT server_id FROM spawners)")
        opened.execute("UPDATE spawners SET server_id = NULL, state = '{}', started = NULL")
        if old != new:
            opened.execute(
                "UPDATE classroom_homes SET location = ? || substr(location, ?) WHERE substr(location, 1, ?) = ?",
                (f"{new}-home-", len(f"{old}-home-") + 1, len(f"{old}-home-"), f"{old}-home-"),
            )


def _refuse_if_not_empty(settings: Settings, chosen: tuple[Move, ...]) -> None:
    state = settings.paths.state
    file = sqlite.database_file(state)
    accounts = len(sqlite.select_rows(file, "SELECT 1 FROM users_info")) if file.exists() else 0
    taken = [move.location for move in chosen if _has_files(homes.make(settings, move.location, move.home.user))]
    if accounts or taken:
        raise ClassroomError(
            f"Here are {accounts} accounts ({state}) and {len(taken)} homes with files that the backup would replace: "
            "add --overwrite to do that. The database that is here is kept as a copy; files in those homes are not."
        )


def _has_files(place: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), os.scandir(place) as entries:
        return next(entries, None) is not None
    return False


def _make_state(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClassroomError(f"{state}: cannot be made ({error.strerror}); run this as root") from error


def _below(folder: Path, path: Path) -> Path:
    return folder / path.relative_to("/")


class _Journal:
    """Which homes a restore has put back: a second run goes on from there, and need not be told to overwrite them."""

    def __init__(self, file: Path, backup: str) -> None:
        self.file, self.backup = file, backup
        found: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(file.read_text(encoding="utf-8"))
        self.goes_on = found.get("backup") == backup
        self.done: set[str] = set(found.get("done", ())) if self.goes_on else set()

    def begin(self) -> None:
        self._write()

    def add(self, location: str) -> None:
        self.done.add(location)
        self._write()

    def end(self) -> None:
        self.file.unlink(missing_ok=True)

    def _write(self) -> None:
        files.write_atomically(self.file, json.dumps({"backup": self.backup, "done": sorted(self.done)}))
