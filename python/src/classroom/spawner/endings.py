"""Endings of students' servers: why a server ended or did not start, and the last lines of its log, for a day.

Each is a file of the state directory. A container's own log is removed with the container.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from classroom.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 86_400  # seconds
LINES = 200
_CHARACTERS = 64 * 1024
_SHOWN = 10
_WANTED = frozenset({"owner", "instructor", "idle", "age", "gpu", "hub"})


@dataclass(frozen=True)
class Ending:
    """The end of a student's last server."""

    name: str
    """The student."""
    why: str
    """`owner`, `instructor`, `idle`, `age`, `gpu` or `hub` stopped it; `memory`, `itself`, `outside`, `engine`,
    `machine` or `gone`: it died; `failed`: it did not start."""
    text: str
    """Sentences for the student."""
    at: float
    """Seconds since 1970."""
    log: str = ""
    """The last lines, printable except for line breaks and tabs."""

    @property
    def moment(self) -> datetime:
        """Return when it was, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    @property
    def is_problem(self) -> bool:
        """Return whether nobody wanted this ending."""
        return self.why not in _WANTED

    @property
    def lines(self) -> list[str]:
        """Return the lines of the log."""
        return self.log.splitlines()

    @property
    def last_lines(self) -> str:
        """Return the few lines that the hub's own log gets; empty without a log."""
        return "".join(f"\n  {line}" for line in self.lines[-_SHOWN:])


def log_end(text: str) -> str:
    """Return the end of a log, without a part of a line at its beginning."""
    return text if len(text) <= _CHARACTERS else text[-_CHARACTERS:].partition("\n")[2]


class Endings:
    """The last ending of each student."""

    def __init__(self, directory: Path) -> None:
        """Keep endings in a directory, which only this user can read."""
        self._directory = directory

    def record(self, ending: Ending) -> None:
        """Replace the student's last ending.

        Raises:
            OSError: the directory cannot be made.
            ClassroomError: the file cannot be written.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._file(ending.name), json.dumps(asdict(ending)))

    def last(self, name: str) -> Ending | None:
        """Return the ending of a student's last server; None without one within a day."""
        try:
            ending = Ending(**json.loads(self._file(name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # none, or one that another version wrote
        return ending if ending.name == name and time.time() - ending.at < KEPT else None

    def forget(self, name: str) -> None:
        """Delete what is known of a student's servers."""
        self._file(name).unlink(missing_ok=True)

    def prune(self) -> None:
        """Delete the endings that are older than a day."""
        for file in self._directory.glob("*"):
            if time.time() - file.stat().st_mtime >= KEPT:
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        # Names may be longer than names of files, and may contain slashes.
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
