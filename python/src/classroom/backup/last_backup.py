"""When the last backup was made: a small file in the state directory, for `classroom doctor`."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from classroom import files
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "last-backup.json"


@dataclass(frozen=True)
class Last:
    """The last backup of this class."""

    made: str
    """ISO 8601, UTC."""
    where: str
    """The repository, or the archive's file."""
    archive: bool
    problems: tuple[str, ...]
    """What is not in it, a sentence each."""

    def age(self, now: datetime) -> timedelta:
        """How old it is; nothing if the clock was turned back."""
        return max(timedelta(0), now - datetime.fromisoformat(self.made).astimezone(UTC))


def write(state: Path, last: Last) -> None:
    """Keep it. A full disk here makes no failure of what was stored elsewhere."""
    with contextlib.suppress(ClassroomError):
        files.write_atomically(state / FILE, json.dumps(asdict(last)) + "\n")


def read(state: Path) -> Last | None:
    """The last backup; None where none was made.

    Raises:
        PermissionError: this user may not look.
    """
    try:
        found = json.loads((state / FILE).read_text(encoding="utf-8"))
        return Last(found["made"], found["where"], bool(found["archive"]), tuple(found["problems"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
