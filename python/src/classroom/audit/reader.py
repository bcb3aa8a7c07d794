"""Reader of the audit log's files, for `classroom audit`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from classroom.audit.log import FILE_NAME
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOWrapper
    from pathlib import Path

_PAUSE = 0.5  # seconds between two looks at the file


@dataclass(frozen=True)
class Selection:
    """Which events are wanted."""

    user: str = ""
    """Concerning or by this user; empty for all."""
    since: datetime | None = None
    """With a time zone."""

    def takes(self, event: dict[str, str]) -> bool:
        """Return whether an event is wanted."""
        if self.user and self.user not in {event.get("user"), event.get("by")}:
            return False
        return self.since is None or datetime.fromisoformat(event["time"]) >= self.since


def read_events(directory: Path, selection: Selection, *, follow: bool = False) -> Iterator[dict[str, str]]:
    """Yield events, oldest first; with `follow` wait for new ones, without an end.

    Raises:
        ClassroomError: there is no log, or this user may not read it.
    """
    current = directory / FILE_NAME
    try:
        older = sorted(directory.glob(f"{FILE_NAME}.*"))
        for file in older:
            with file.open(encoding="ascii", errors="replace") as lines:
                yield from _select(lines, selection)
        yield from _select(_follow(current) if follow else _lines(current), selection)
    except FileNotFoundError as error:
        raise ClassroomError(
            f"{current}: there is no audit log. The hub creates it when it starts: name its settings with "
            "--settings FILE."
        ) from error
    except PermissionError as error:
        raise ClassroomError(
            f"{current}: only root and the hub's user may read this. Run the command with sudo, or as that user."
        ) from error


def _select(lines: Iterator[str], selection: Selection) -> Iterator[dict[str, str]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a line that was cut off when the machine lost power
        if isinstance(event, dict) and "time" in event and selection.takes(event):
            yield event


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="ascii", errors="replace") as lines:
        yield from lines


def _follow(file: Path) -> Iterator[str]:
    lines = file.open(encoding="ascii", errors="replace")
    try:
        while True:
            yield from _whole_lines(lines)
            time.sleep(_PAUSE)
            if file.exists() and not file.samefile(f"/proc/self/fd/{lines.fileno()}"):
                yield from _whole_lines(lines)
                lines.close()
                lines = file.open(encoding="ascii", errors="replace")
    finally:
        lines.close()


def _whole_lines(lines: TextIOWrapper) -> Iterator[str]:
    """Yield the lines that have been written to their end."""
    while True:
        position = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(position)
            return
        yield line
