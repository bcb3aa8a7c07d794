"""Make a backup, while students work."""

from __future__ import annotations

import shutil
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from classroom.backup import archive, homes, last_backup
from classroom.backup.manifest import FILE, FOLDER, Manifest
from classroom.db import sqlite, state_lock
from classroom.errors import ClassroomError
from classroom.files import stage
from classroom.secrets import GIVEN, credential

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.backup.archive import Archive
    from classroom.backup.restic import Repository
    from classroom.settings.models import Settings


@dataclass(frozen=True)
class Made:
    """What a backup holds and what it took."""

    where: str
    id: str
    """Of the snapshot; the file of an archive."""
    homes: int
    accounts: int
    files: int | None
    added: int
    """Bytes that were written."""
    vanished: int
    """Files that were gone when it came to them: somebody has worked."""
    problems: tuple[str, ...]
    """What is not in it, a sentence each."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def create(
    settings: Settings, settings_file: Path, target: Repository | Archive, progress: Callable[[float], None]
) -> Made:
    """Back the class up.

    Args:
        settings: the class's.
        settings_file: where they come from; it is in the backup.
        target: a repository that is there, or an archive.
        progress: called with the fraction that is done.

    Raises:
        ClassroomError: no backup was made.
    """
    homes.refuse_without_rights(settings, "create")
    state = settings.paths.state
    with state_lock.hold_state_lock(state, "A backup"), stage(state / FOLDER) as folder:
        copy = folder / sqlite.FILE_NAME
        sqlite.copy_database(sqlite.database_file(state), copy)
        found = homes.find(settings, copy) if settings.backup.homes else homes.Found((), ())
        manifest = Manifest(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            host=socket.gethostname(),
            prefix=settings.docker.prefix,
            versions={name: version(name) for name in ("classroom", "jupyterhub", "jupyterhub-nativeauthenticator")},
            database=sqlite.read_revisions(copy),
            folder=folder,
            settings=settings_file.name,
            homes=found.homes,
        )
        _fill(folder, manifest, settings_file, state)
        paths = [folder, *(home.path for home in found.homes)]
        accounts = len(sqlite.select_rows(copy, "SELECT 1 FROM users_info"))
        if isinstance(target, archive.Archive):
            size = target.write(paths)
            made = Made(str(target.file), str(target.file), len(found.homes), accounts, None, size, 0, found.problems)
        else:
            stored = target.backup(paths, progress)
            unreadable = tuple(f"{path}: could not be read" for path in stored.unreadable)
            made = Made(
                target.location,
                stored.snapshot[:8],
                len(found.homes),
                accounts,
                stored.files,
                stored.added,
                stored.vanished,
                found.problems + unreadable,
            )
        is_archive = made.files is None
        last_backup.write(state, last_backup.Last(manifest.made, made.where, is_archive, made.problems))
    return made


def _fill(folder: Path, manifest: Manifest, settings_file: Path, state: Path) -> None:
    """Put all but the homes, and the database that is there already, into the folder of a backup."""
    try:
        (folder / FILE).write_text(manifest.dump(), encoding="utf-8")
        (folder / "settings").mkdir()
        shutil.copyfile(settings_file, folder / "settings" / settings_file.name)
        kept = folder / "secrets"
        if (state / "secrets").is_dir():
            shutil.copytree(state / "secrets", kept, symlinks=True)
        kept.mkdir(mode=0o700, exist_ok=True)
        # What systemd hands to a unit of the class wins over the files there; so it does here.
        for name in GIVEN:
            if source := credential(name):
                shutil.copyfile(source, kept / name)
                (kept / name).chmod(0o600)
    except OSError as error:
        raise ClassroomError(
            f"{error.filename or folder}: cannot be copied ({error.strerror}); free space or mend its owner"
        ) from error
