"""Manifest of a backup, and the target of each of its homes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.db.sqlite import Revisions
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
BACKUP_DIRECTORY = "classroom-backup"
"""The directory with the manifest and everything but the homes. No home has this name."""
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class SavedHome:
    """A home in a backup."""

    user: str
    """Its student; empty if unknown."""
    location: str
    """The name of the volume, or of the directory among the homes."""
    path: Path
    """Its path in the backup, which was its path on the machine."""
    archived: bool = False
    """Whether its account is removed."""


@dataclass(frozen=True)
class Manifest:
    """The contents of a backup."""

    made: str
    """ISO 8601, UTC."""
    host: str
    prefix: str
    """The start of the names of the class's homes (`docker.prefix`)."""
    versions: Mapping[str, str]
    database: Revisions
    folder: Path
    """The path of `classroom-backup` in the backup."""
    settings: str
    """The file name of the settings, in `settings/`."""
    homes: tuple[SavedHome, ...]

    def as_json(self) -> str:
        """Return the text of the manifest file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, default=str) + "\n"


@dataclass(frozen=True)
class HomeTarget:
    """A home of a backup, and the location to restore it to."""

    home: SavedHome
    location: str


def parse_manifest(text: str) -> Manifest:
    """Return the manifest in the text of a manifest file.

    Raises:
        ClassroomError: the text is no manifest, or comes from a newer version of this package.
    """
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise ClassroomError(
                "This backup was made by a newer version of classroom: install that one to restore it."
            )
        return Manifest(
            made=data["made"],
            host=data["host"],
            prefix=data["prefix"],
            versions=data["versions"],
            database=Revisions(**data["database"]),
            folder=Path(data["folder"]),
            settings=data["settings"],
            homes=tuple(SavedHome(**home | {"path": Path(home["path"])}) for home in data["homes"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClassroomError(f"The manifest of this backup cannot be read ({error}); restore another one.") from error


def home_targets(
    manifest: Manifest, prefix: str, student: str | None = None, locations: Mapping[str, str] | None = None
) -> tuple[HomeTarget, ...]:
    """Return the location to restore each home to.

    Args:
        manifest: the backup's.
        prefix: the start of the names of this class's homes.
        student: restore only this student's home.
        locations: the location of each account's home on this machine, for `student`'s home.

    Raises:
        ClassroomError: `student` has no home in the backup.
    """
    if student is None:
        return tuple(HomeTarget(home, rename_home(home.location, manifest.prefix, prefix)) for home in manifest.homes)
    homes = [home for home in manifest.homes if home.user == student and not home.archived]
    if not homes:
        students = ", ".join(sorted(home.user for home in manifest.homes if not home.archived)) or "nobody"
        raise ClassroomError(
            f"{student} has no home in this backup of {manifest.made}; students with a home there: {students}"
        )
    home = homes[0]
    return (HomeTarget(home, (locations or {}).get(student) or rename_home(home.location, manifest.prefix, prefix)),)


def rename_home(location: str, old: str, new: str) -> str:
    """Return the name of a home in a class with another prefix."""
    return new + location.removeprefix(old) if location.startswith(f"{old}-home-") else location
