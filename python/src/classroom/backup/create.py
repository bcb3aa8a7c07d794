"""Creation of a backup, while students work."""

from __future__ import annotations

import shutil
import socket
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from classroom.backup import archive, homes, sparse
from classroom.backup.manifest import BACKUP_DIRECTORY, MANIFEST_FILE, Manifest
from classroom.backup.restic import ExcessError
from classroom.backup.target import LastBackup, record_last_backup
from classroom.db import sqlite, state_lock
from classroom.errors import ClassroomError, printable, remedy
from classroom.files import stage
from classroom.secrets import GIVEN, credential

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from classroom.backup.archive import Archive
    from classroom.backup.restic import Repository
    from classroom.settings.models import Settings

_SHOWN = 20  # paths
_LONGEST = 300  # characters of a path that is shown


@dataclass(frozen=True)
class BackupResult:
    """A created backup."""

    where: str
    """The repository, or the archive's file."""
    id: str
    """The snapshot, or the archive's file."""
    homes: int
    accounts: int
    files: int | None
    added: int
    """Bytes written."""
    vanished: int
    """Files deleted before they were read: somebody was working."""
    problems: tuple[str, ...]
    """What the backup lacks, a sentence each."""
    left_out: tuple[str, ...] = ()
    """What no backup can store, a sentence each. Students cause it, so it does not make a backup fail."""

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return asdict(self)


def create_backup(
    settings: Settings, settings_file: Path, target: Repository | Archive, progress: Callable[[float], None]
) -> BackupResult:
    """Back up the class.

    Args:
        settings: the class's.
        settings_file: their file, which becomes part of the backup.
        target: an existing repository, or an archive.
        progress: called with the fraction done, from 0 to 1.

    Raises:
        ClassroomError: no backup was created.
    """
    homes.refuse_without_rights(settings, "create")
    state = settings.paths.state
    with state_lock.hold_state_lock(state, "A backup"), stage(state / BACKUP_DIRECTORY) as directory:
        copy = directory / sqlite.FILE_NAME
        sqlite.copy_database(sqlite.database_file(state), copy)
        inventory = homes.find_homes(settings, copy) if settings.backup.homes else homes.HomeInventory((), ())
        manifest = Manifest(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            host=socket.gethostname(),
            prefix=settings.docker.prefix,
            versions={name: version(name) for name in ("classroom", "jupyterhub", "jupyterhub-nativeauthenticator")},
            database=sqlite.read_revisions(copy),
            folder=directory,
            settings=settings_file.name,
            homes=inventory.homes,
        )
        _copy_state(directory, manifest, settings_file, state)
        accounts = len(sqlite.select_rows(copy, "SELECT 1 FROM users_info"))
        if isinstance(target, archive.Archive):
            size = target.write([directory, *(home.path for home in inventory.homes)])
            result = BackupResult(
                str(target.file), str(target.file), len(inventory.homes), accounts, None, size, 0, inventory.problems
            )
        else:
            result = _store(target, manifest, accounts, inventory.problems, progress)
        is_archive = result.files is None
        record_last_backup(
            state, LastBackup(manifest.made, result.where, is_archive, result.problems + result.left_out)
        )
    return result


def _store(
    target: Repository, manifest: Manifest, accounts: int, problems: tuple[str, ...], progress: Callable[[float], None]
) -> BackupResult:
    """Store directory and homes of a manifest in a repository, without the files that have too many holes."""
    excess = sparse.find_excess([home.path for home in manifest.homes])
    while True:
        left_out = {item.path for item in excess}
        kept = tuple(home for home in manifest.homes if home.path not in left_out)
        if len(kept) < len(manifest.homes):
            manifest = replace(manifest, homes=kept)
            _write_manifest(manifest)
        try:
            stored = target.backup(manifest.folder, [home.path for home in kept], progress, left_out)
            break
        except ExcessError as error:
            excess.append(error.excess)
    return BackupResult(
        target.location,
        stored.snapshot[:8],
        len(kept),
        accounts,
        stored.files,
        stored.added,
        stored.vanished,
        problems + _describe(stored.unreadable, "could not be read"),
        _describe(stored.overlong, "left out, because a path has at most 4096 bytes; its student can move it")
        + _limit(
            [f"{_shorten(printable(str(item.path)))}: {printable(item.reason)}" for item in excess],
            " files or homes were left out",
        ),
    )


def _write_manifest(manifest: Manifest) -> None:
    (manifest.folder / MANIFEST_FILE).write_text(manifest.as_json(), encoding="utf-8")


def _describe(paths: Sequence[str], reason: str) -> tuple[str, ...]:
    """Return a sentence for each of the first paths, shortened, and the number of the others."""
    return _limit([f"{_shorten(path)}: {reason}" for path in paths], f": {reason}")


def _limit(sentences: Sequence[str], others: str) -> tuple[str, ...]:
    """Return the first sentences, and the number of the others with what is so about them."""
    count = len(sentences) - _SHOWN
    return (*sentences[:_SHOWN], *([f"{count} more{others}"] if count > 0 else []))


def _shorten(path: str) -> str:
    return path if len(path) <= _LONGEST else f"{path[:_LONGEST]}... ({len(path)} characters)"


def _copy_state(directory: Path, manifest: Manifest, settings_file: Path, state: Path) -> None:
    """Copy manifest, settings and secrets into the directory of a backup."""
    try:
        _write_manifest(manifest)
        (directory / "settings").mkdir()
        shutil.copyfile(settings_file, directory / "settings" / settings_file.name)
        secrets = directory / "secrets"
        if (state / "secrets").is_dir():
            shutil.copytree(state / "secrets", secrets, symlinks=True)
        secrets.mkdir(mode=0o700, exist_ok=True)
        # Credentials that systemd gives to a unit of the class take precedence over the files, here too.
        for name in GIVEN:
            if source := credential(name):
                shutil.copyfile(source, secrets / name)
                (secrets / name).chmod(0o600)
    except OSError as error:
        raise ClassroomError(
            f"{error.filename or directory}: cannot be copied ({error.strerror}); {remedy(error, 'correct its owner')}"
        ) from error
