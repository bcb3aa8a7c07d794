"""Target of backups: repository, password, a selected backup, and the record of the last one."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.backup.manifest import MANIFEST_FILE, parse_manifest
from classroom.backup.restic import Repository, Snapshot
from classroom.errors import ClassroomError
from classroom.files import own_like, write_atomically
from classroom.secrets import BACKUP_PASSWORD, backup_password, credential

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.backup.archive import Archive
    from classroom.backup.manifest import Manifest
    from classroom.settings.models import Backup, Settings

_LAST_BACKUP_FILE = "last-backup.json"
_PASSWORD_VARIABLES = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND")


@dataclass(frozen=True)
class RepositoryBackup:
    """A backup in a repository."""

    repository: Repository
    snapshot: Snapshot

    @property
    def id(self) -> str:
        """Return the identity of the backup."""
        return self.snapshot.id

    def manifest(self) -> Manifest:
        """Return its manifest."""
        return parse_manifest(self.repository.read_file(self.snapshot, f"{self.snapshot.folder}/{MANIFEST_FILE}"))

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a directory."""
        self.repository.restore(self.snapshot, paths, target)


@dataclass(frozen=True)
class ArchiveBackup:
    """A backup in an archive."""

    archive: Archive

    @property
    def id(self) -> str:
        """Return the identity of the backup."""
        return str(self.archive.file.resolve())

    def manifest(self) -> Manifest:
        """Return its manifest."""
        return parse_manifest(self.archive.read_manifest())

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a directory."""
        self.archive.restore(paths, target)


@dataclass(frozen=True)
class LastBackup:
    """The last backup of this class, for `classroom doctor`; it is stored in the state directory."""

    made: str
    """ISO 8601, UTC."""
    where: str
    """The repository, or the archive's file."""
    archive: bool
    problems: tuple[str, ...]
    """What the backup lacks, a sentence each."""

    def age(self, now: datetime) -> timedelta:
        """Return its age; zero if the clock was set back."""
        return max(timedelta(0), now - datetime.fromisoformat(self.made).astimezone(UTC))


def open_repository(
    settings: Settings, destination: str | None, password_file: Path | None, *, create_password: bool
) -> tuple[Repository, Path | None]:
    """Return the repository, and the file of our own password if it was created now.

    Args:
        settings: the class's.
        destination: as the operator writes it; None takes that of the settings, or $RESTIC_REPOSITORY.
        password_file: with its password; None takes restic's variables, the settings' file, or our own.
        create_password: create a password if there is none.

    Raises:
        ClassroomError: no repository is named, or there is no password.
    """
    location = destination or settings.backup.repository or os.environ.get("RESTIC_REPOSITORY")
    if not location:
        raise ClassroomError(
            "No target is set. Name a directory or a restic repository, as in classroom backup create "
            '/srv/backups/classroom, or write in the settings: backup.repository = "/srv/backups/classroom"'
        )
    if not re.match(r"[a-z0-9]+:", location):
        location = str(Path(location).absolute())
    environment = _environment(settings.backup)
    created = None
    named = password_file or (None if credential(BACKUP_PASSWORD) else settings.backup.password_file)
    if named is not None:
        environment["RESTIC_PASSWORD_FILE"] = str(_readable_file(named))
    elif not any(name in os.environ or name in environment for name in _PASSWORD_VARIABLES):
        existing = backup_password(settings.paths.state, make=False)
        own = existing or backup_password(settings.paths.state, make=create_password)
        if own is None:
            raise ClassroomError(
                f"{location}: the password is missing: write it into a file that only you can read, and name it with "
                "--password-file. On the machine of the backup it is in secrets/backup-password of the state directory"
            )
        environment["RESTIC_PASSWORD_FILE"] = str(own)
        if not existing:
            created = own
            own_like(own, settings.paths.state)
    return Repository(location, environment), created


def select_backup(repository: Repository, prefix: str | None) -> RepositoryBackup:
    """Return the backup with an id that begins with these characters; without any, the newest.

    Raises:
        ClassroomError: there is no such backup, or the newest is ambiguous: several machines store here.
    """
    snapshots = repository.snapshots()
    if not snapshots:
        raise ClassroomError(f"{repository.location} has no backup yet: create one with classroom backup create")
    if prefix is not None:
        matching = [snapshot for snapshot in snapshots if snapshot.id.startswith(prefix)]
        if len(matching) != 1:
            raise ClassroomError(
                f"{len(matching) or 'No'} backups have an id that begins with {prefix}: classroom backup list shows all"
            )
        return RepositoryBackup(repository, matching[0])
    if len(hosts := sorted({snapshot.host for snapshot in snapshots})) > 1:
        raise ClassroomError(
            f"Several machines store here ({', '.join(hosts)}): name the backup with --id; classroom backup "
            "list shows all"
        )
    return RepositoryBackup(repository, snapshots[-1])


def _environment(backup: Backup) -> dict[str, str]:
    if backup.environment_file is None:
        return {}
    return dict(
        line.strip().split("=", 1)
        for line in _readable_file(backup.environment_file).read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.lstrip().startswith("#")
    )


def _readable_file(file: Path) -> Path:
    try:
        with file.open("rb"):
            return file.absolute()
    except OSError as error:
        raise ClassroomError(
            f"{file}: cannot be read ({error.strerror}); run this as root, or name another file"
        ) from error


def record_last_backup(state: Path, last: LastBackup) -> None:
    """Record the last backup. A full disk here is no failure of a backup that is stored elsewhere."""
    with contextlib.suppress(ClassroomError):
        write_atomically(state / _LAST_BACKUP_FILE, json.dumps(asdict(last)) + "\n")


def read_last_backup(state: Path) -> LastBackup | None:
    """Return the last backup; None if there is none.

    Raises:
        PermissionError: this user may not read it.
    """
    try:
        data = json.loads((state / _LAST_BACKUP_FILE).read_text(encoding="utf-8"))
        return LastBackup(data["made"], data["where"], bool(data["archive"]), tuple(data["problems"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
