"""Record of a move of homes that has not ended. Servers with these homes do not start: the new place has no files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.settings.models import Settings

_FILE = "homes-unmoved.json"


@dataclass(frozen=True)
class UnmovedHomes:
    """Homes that are still in their old place."""

    old: Path | None = None
    """The directory of the old homes; None for volumes."""
    locations: frozenset[str] = frozenset()

    @property
    def command(self) -> str:
        """Return the command that moves them."""
        return "classroom homes move" + (f" --from {self.old}" if self.old else "")


NONE_UNMOVED = UnmovedHomes()


def record_unmoved(state: Path, old: Path | None, locations: Iterable[str]) -> None:
    """Replace the record; without locations, remove it.

    Raises:
        ClassroomError: it cannot be written.
    """
    if names := sorted(locations):
        content = {"from": str(old) if old else None, "locations": names}
        write_atomically(state / _FILE, json.dumps(content) + "\n")
    else:
        (state / _FILE).unlink(missing_ok=True)


def read_unmoved(settings: Settings) -> UnmovedHomes:
    """Return the homes on record; none if the settings name their old place again.

    Raises:
        PermissionError: this user may not read it.
    """
    try:
        content = json.loads((settings.paths.state / _FILE).read_text(encoding="utf-8"))
        old = Path(content["from"]) if content["from"] else None
        homes = UnmovedHomes(old, frozenset(content["locations"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return NONE_UNMOVED
    return NONE_UNMOVED if settings.storage.path == old else homes
