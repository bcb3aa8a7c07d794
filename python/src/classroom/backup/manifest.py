"""What a backup says of itself, and what of it goes where."""

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
FOLDER = "classroom-backup"
"""Name of the folder that holds the manifest and all but the homes. No home has this name."""
FILE = "manifest.json"


@dataclass(frozen=True)
class SavedHome:
    """A home in a backup."""

    user: str
    """Whose it is, or was; empty where nobody knows."""
    location: str
    """Its name: of the volume, or of the folder among the homes."""
    path: Path
    """Where its files are in the backup, and were on the machine."""
    archived: bool = False
    """Its account is removed."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    made: str
    """ISO 8601, UTC."""
    host: str
    prefix: str
    """How the names of the class's homes begin."""
    versions: Mapping[str, str]
    database: Revisions
    folder: Path
    """Where the folder `classroom-backup` is in the backup."""
    settings: str
    """File name of the settings, in `settings/`."""
    homes: tuple[SavedHome, ...]

    def dump(self) -> str:
        """As JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, default=str) + "\n"


@dataclass(frozen=True)
class Move:
    """A home of a backup and where it goes."""

    home: SavedHome
    location: str


def load(text: str) -> Manifest:
    """Read a manifest.

    Raises:
        ClassroomError: it is none, or of a newer version of this package.
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
    except (ValueError, KeyError, TypeError) as error:
        raise ClassroomError(f"The manifest of this backup cannot be read ({error}); restore another one.") from error


def moves(
    manifest: Manifest, prefix: str, student: str | None = None, here: Mapping[str, str] | None = None
) -> tuple[Move, ...]:
    """Which homes go where.

    Args:
        manifest: of the backup.
        prefix: how the names of this class's homes begin.
        student: only this one's.
        here: the location of each account's home on this machine, which is where `student`'s goes.

    Raises:
        ClassroomError: `student` has no home in the backup.
    """
    if student is None:
        return tuple(Move(home, renamed(home.location, manifest.prefix, prefix)) for home in manifest.homes)
    found = [home for home in manifest.homes if home.user == student and not home.archived]
    if not found:
        known = ", ".join(sorted(home.user for home in manifest.homes if not home.archived)) or "nobody"
        raise ClassroomError(f"{student} has no home in this backup of {manifest.made}; those who have: {known}")
    home = found[0]
    return (Move(home, (here or {}).get(student) or renamed(home.location, manifest.prefix, prefix)),)


def renamed(location: str, old: str, new: str) -> str:
    """The name of a home in a class with another prefix."""
    return new + location.removeprefix(old) if location.startswith(f"{old}-home-") else location
