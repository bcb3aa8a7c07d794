"""From what the operator writes to a place of backups: which repository, which password, which of its backups."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.backup import manifest
from classroom.backup.restic import Repository, Snapshot
from classroom.errors import ClassroomError
from classroom.files import own_like
from classroom.secrets import BACKUP_PASSWORD, backup_password, credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.backup.archive import Archive
    from classroom.backup.manifest import Manifest
    from classroom.settings.models import Backup, Settings

_PASSWORDS = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND")


@dataclass(frozen=True)
class Chosen:
    """One backup in a repository, ready to be read."""

    repository: Repository
    snapshot: Snapshot

    @property
    def id(self) -> str:
        """Which backup it is."""
        return self.snapshot.id

    def manifest(self) -> Manifest:
        """What it holds."""
        return manifest.load(self.repository.read(self.snapshot, f"{self.snapshot.folder}/{manifest.FILE}"))

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a folder."""
        self.repository.restore(self.snapshot, paths, target)


@dataclass(frozen=True)
class Opened:
    """An archive, ready to be read."""

    archive: Archive

    @property
    def id(self) -> str:
        """Which backup it is."""
        return str(self.archive.file.resolve())

    def manifest(self) -> Manifest:
        """What it holds."""
        return manifest.load(self.archive.manifest())

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths below a folder."""
        self.archive.restore(paths, target)


def repository(
    settings: Settings, destination: str | None, password_file: Path | None, *, make: bool
) -> tuple[Repository, Path | None]:
    """The repository that is meant, and how it is opened.

    Args:
        settings: the class's.
        destination: as the operator writes it; unless given, that of the settings or $RESTIC_REPOSITORY.
        password_file: with its password; unless given, restic's variables, the settings' file, or our own.
        make: make a password if there is none.

    Returns:
        the repository, and our own password's file if that was made just now.

    Raises:
        ClassroomError: nobody says which repository, or there is no password.
    """
    location = destination or settings.backup.repository or os.environ.get("RESTIC_REPOSITORY")
    if not location:
        raise ClassroomError(
            "Where to? Name a folder or a restic repository, as in classroom backup create /srv/backups/classroom, or "
            'set it for good: backup.repository = "/srv/backups/classroom"'
        )
    if not re.match(r"[a-z0-9]+:", location):
        location = str(Path(location).absolute())
    environment = _environment(settings.backup)
    made = None
    named = password_file or (None if credential(BACKUP_PASSWORD) else settings.backup.password_file)
    if named is not None:
        environment["RESTIC_PASSWORD_FILE"] = str(_readable(named))
    elif not any(name in os.environ or name in environment for name in _PASSWORDS):
        before = backup_password(settings.paths.state, make=False)
        own = before or backup_password(settings.paths.state, make=make)
        if own is None:
            raise ClassroomError(
                f"{location}: the password is needed: write it into a file that only you read, and name that with "
                "--password-file. On the machine of the backup it was in secrets/backup-password of the state directory"
            )
        environment["RESTIC_PASSWORD_FILE"] = str(own)
        if not before:
            made = own
            own_like(own, settings.paths.state)
    return Repository(location, environment), made


def choose(repository: Repository, wanted: str | None) -> Chosen:
    """A backup by the first characters of its id; the newest unless given.

    Raises:
        ClassroomError: there is none such, or the newest is not the one that is meant: several machines store here.
    """
    found = repository.snapshots()
    if not found:
        raise ClassroomError(f"{repository.location} holds no backup yet: one is made by classroom backup create")
    if wanted is not None:
        matching = [each for each in found if each.id.startswith(wanted)]
        if len(matching) != 1:
            raise ClassroomError(
                f"{len(matching) or 'No'} backups have an id that begins with {wanted}: classroom backup list shows all"
            )
        return Chosen(repository, matching[0])
    if len(hosts := sorted({each.host for each in found})) > 1:
        raise ClassroomError(
            f"Several machines store here ({', '.join(hosts)}): name the backup with --id, of those that classroom "
            "backup list shows"
        )
    return Chosen(repository, found[-1])


def _environment(backup: Backup) -> dict[str, str]:
    if backup.environment_file is None:
        return {}
    found: Mapping[str, str] = dict(
        line.strip().split("=", 1)
        for line in _readable(backup.environment_file).read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.lstrip().startswith("#")
    )
    return dict(found)


def _readable(file: Path) -> Path:
    try:
        with file.open("rb"):
            return file.absolute()
    except OSError as error:
        raise ClassroomError(
            f"{file}: cannot be read ({error.strerror}); run this as root, or name another file"
        ) from error
