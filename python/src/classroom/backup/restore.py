"""Restore of a class, or of one student's home, from a backup.

After a kill each part is either the old or the new one, and a second run continues. All files are written to a staging
directory on the same file system first, and replace the existing ones in one step.
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
from classroom.backup.manifest import HomeTarget, Manifest, home_targets
from classroom.db import sqlite, state_lock, upgrade
from classroom.db.state_lock import UNFINISHED
from classroom.errors import ClassroomError
from classroom.files import own_like, stage, swap
from classroom.hub.liveness import require_stopped_hub
from classroom.storage import quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from classroom.settings.models import Settings

STAGE = ".classroom-restore"


class BackupSource(Protocol):
    """A backup to read from."""

    @property
    def id(self) -> str:
        """Return the identity of the backup."""

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a directory."""


@dataclass(frozen=True)
class RestoreResult:
    """What a restore has changed."""

    id: str
    made: str
    """The time of the backup."""
    homes: tuple[str, ...]
    """Locations of the restored homes."""
    accounts: bool
    """Whether accounts and secrets were restored."""
    kept: str | None
    """The copy of the previous database."""
    settings: str | None
    """The file with the settings of the backup, if they are not in use."""

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return asdict(self)


def restore_student(
    settings: Settings, source: BackupSource, manifest: Manifest, student: str, *, overwrite: bool
) -> RestoreResult:
    """Restore one student's home. The hub and other servers may run.

    Raises:
        ClassroomError: the home is not in the backup, has files here and `overwrite` is false, or is in use.
    """
    homes.refuse_without_rights(settings, "restore")
    state = settings.paths.state
    with state_lock.hold_state_lock(state, "A restore"):
        file = sqlite.database_file(state)
        targets = home_targets(
            manifest, settings.docker.prefix, student, homes.home_locations(file) if file.exists() else {}
        )
        location = targets[0].location
        if settings.spawner == "process":
            require_stopped_hub(settings, "to restore a home")
        if homes.running_students(settings, (location,)):
            raise ClassroomError(
                f"{student}'s server runs and has the home open: stop it on /hub/admin, then run this again"
            )
        path = homes.prepare_home(settings, location, student)
        if _has_files(path) and not overwrite:
            raise ClassroomError(
                f"{student} has files here ({path}): add --overwrite to replace them with those of {manifest.made}; "
                "later work is lost then"
            )
        _restore_homes(settings, source, targets, lambda _: None)
    return RestoreResult(source.id, manifest.made, (location,), accounts=False, kept=None, settings=None)


def restore_all(
    settings: Settings, settings_file: Path, source: BackupSource, manifest: Manifest, *, overwrite: bool
) -> RestoreResult:
    """Restore a class: homes, accounts, secrets, and the settings if there are none.

    Raises:
        ClassroomError: the class runs, has accounts or files here and `overwrite` is false, or the disk is full.
    """
    homes.refuse_without_rights(settings, "restore")
    if not upgrade.is_compatible(manifest.database):
        raise ClassroomError(
            f"The accounts in this backup are of a newer version (classroom {manifest.versions.get('classroom')}): "
            "install that version to restore it"
        )
    state = settings.paths.state
    _create_state_directory(state)
    with state_lock.hold_state_lock(state, "A restore"):
        require_stopped_hub(settings, "to restore a class")
        if students := homes.running_students(settings):
            raise ClassroomError(
                f"Servers of this class run ({', '.join(students)}) and would lose their accounts: stop them with "
                f"docker stop $(docker ps -q --filter label=org.classroom.network={settings.network.name})"
            )
        targets = home_targets(manifest, settings.docker.prefix)
        if students := homes.running_students(settings, tuple(target.location for target in targets)):
            raise ClassroomError(
                f"These homes are in use ({', '.join(students)}): stop what uses them, then run this again"
            )
        journal = _Journal(state / UNFINISHED, source.id)
        if not journal.continues and not overwrite:
            _refuse_if_not_empty(settings, targets)
        journal.begin()
        remaining = tuple(target for target in targets if target.location not in journal.done)
        _restore_homes(settings, source, remaining, journal.add)
        kept, other = _restore_state(settings, settings_file, source, manifest)
        journal.end()
    names = tuple(target.location for target in targets)
    return RestoreResult(source.id, manifest.made, names, accounts=True, kept=kept, settings=other)


def _restore_homes(
    settings: Settings, source: BackupSource, targets: tuple[HomeTarget, ...], done: Callable[[str], None]
) -> None:
    if not targets:
        return
    paths = {target: homes.prepare_home(settings, target.location, target.home.user) for target in targets}
    with stage(next(iter(paths.values())).parent / STAGE) as staging:
        source.restore([target.home.path for target in targets], staging)
        for target, path in paths.items():
            new = _below(staging, target.home.path)
            # The backup's project number may belong to another home on this machine; the helper assigns a new one.
            with contextlib.suppress(OSError):
                os.removexattr(new, quota.PROJECT_ATTRIBUTE)
            swap(new, path)
            done(target.location)


def _restore_state(
    settings: Settings, settings_file: Path, source: BackupSource, manifest: Manifest
) -> tuple[str | None, str | None]:
    state = settings.paths.state
    with stage(state / STAGE) as staging:
        source.restore([manifest.folder], staging)
        directory = _below(staging, manifest.folder)
        saved, secrets = directory / sqlite.FILE_NAME, directory / "secrets"
        saved_settings = directory / "settings" / manifest.settings
        _adapt_database(saved, manifest.prefix, settings.docker.prefix)
        for path in (secrets, *secrets.iterdir(), saved_settings):
            own_like(path, state)
        other = _restore_settings(saved_settings, settings_file, state)
        swap(secrets, state / "secrets")
        kept = str(upgrade.save_copy(state, "restore").file) if sqlite.database_file(state).exists() else None
        # Last: a class with accounts is complete.
        sqlite.replace_database(saved, sqlite.database_file(state))
    return kept, other


def _restore_settings(saved: Path, settings_file: Path, state: Path) -> str | None:
    if settings_file.exists() and settings_file.read_bytes() == saved.read_bytes():
        return None
    target = state / f"settings-of-backup{saved.suffix}" if settings_file.exists() else settings_file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved, target)
        if target != settings_file:
            own_like(target, state)
    except OSError as error:
        raise ClassroomError(f"{target}: cannot be written ({error.strerror}); fix the directory's owner") from error
    return str(target)


def _adapt_database(file: Path, old: str, new: str) -> None:
    """Adapt a saved database to this class: rename its homes, and remove its running servers."""
    with sqlite.open_database(file) as opened, opened:
        # Otherwise the hub would adopt a container of that time that the engine still has.
        opened.execute("DELETE FROM servers WHERE id IN (SELECT server_id FROM spawners)")
        opened.execute("UPDATE spawners SET server_id = NULL, state = '{}', started = NULL")
        if old != new:
            opened.execute(
                "UPDATE classroom_homes SET location = ? || substr(location, ?) WHERE substr(location, 1, ?) = ?",
                (f"{new}-home-", len(f"{old}-home-") + 1, len(f"{old}-home-"), f"{old}-home-"),
            )


def _refuse_if_not_empty(settings: Settings, targets: tuple[HomeTarget, ...]) -> None:
    state = settings.paths.state
    file = sqlite.database_file(state)
    accounts = len(sqlite.select_rows(file, "SELECT 1 FROM users_info")) if file.exists() else 0
    paths = [homes.prepare_home(settings, target.location, target.home.user) for target in targets]
    taken = [path for path in paths if _has_files(path)]
    if accounts or taken:
        raise ClassroomError(
            f"There are {accounts} accounts ({state}) and {len(taken)} homes with files that the backup would replace: "
            "add --overwrite to do that. The current database is kept as a copy; files in those homes are not."
        )


def _has_files(place: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), os.scandir(place) as entries:
        return next(entries, None) is not None
    return False


def _create_state_directory(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClassroomError(f"{state}: cannot be created ({error.strerror}); run this as root") from error


def _below(directory: Path, path: Path) -> Path:
    return directory / path.relative_to("/")


class _Journal:
    """The homes that a restore has restored: a second run skips them, and needs no `--overwrite` for them."""

    def __init__(self, file: Path, backup: str) -> None:
        self.file, self.backup = file, backup
        data: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            data = json.loads(file.read_text(encoding="utf-8"))
        self.continues = data.get("backup") == backup
        self.done: set[str] = set(data.get("done", ())) if self.continues else set()

    def begin(self) -> None:
        self._write()

    def add(self, location: str) -> None:
        self.done.add(location)
        self._write()

    def end(self) -> None:
        self.file.unlink(missing_ok=True)

    def _write(self) -> None:
        files.write_atomically(self.file, json.dumps({"backup": self.backup, "done": sorted(self.done)}))
