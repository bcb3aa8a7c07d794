"""What homes hold, for the operator: as data, and as a table for the terminal."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
from rich.table import Table
from rich.text import Text

from classroom.db.sqlite import database_file, open_database
from classroom.docker.client import Engine, EngineSilentError
from classroom.errors import ClassroomError
from classroom.storage import folders
from classroom.storage.client import ask
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.settings.models import Settings, Storage

_AT_ONCE = 4
_PATIENCE = 600.0  # seconds for one home to be counted


@dataclass(frozen=True)
class Held:
    """What is in a home; None where nobody can say."""

    size: int | None = None
    """Bytes on the disk."""
    files: int | None = None
    """Files and folders."""
    changed: str | None = None
    """When something was last written: ISO 8601, UTC."""
    quota: int | None = None
    """Bytes that it may hold."""


@dataclass(frozen=True)
class Row:
    """A home, and whose it is or was."""

    student: str
    home: str
    held: Held
    archived: str | None = None
    """Since when the student's account is removed: ISO 8601, UTC."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {"student": self.student, "home": self.home, "archived": self.archived} | asdict(self.held)


@dataclass(frozen=True)
class Report:
    """All homes of a class."""

    kind: str
    rows: tuple[Row, ...]
    free: int | None
    """Bytes that are free where homes are; None if the engine keeps them."""
    mistakes: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        rows = [row.as_data() for row in self.rows]
        return {"kind": self.kind, "free": self.free, "mistakes": self.mistakes, "homes": rows}

    def as_table(self) -> Table:
        """For people; those who hold most come first, removed students last."""
        used = sum(row.held.size or 0 for row in self.rows)
        homes = "1 home" if len(self.rows) == 1 else f"{len(self.rows)} homes"
        caption = f"{format_bytes(used)} in {homes}" + (f", {format_bytes(self.free)} free" if self.free else "")
        table = Table(caption=caption, box=None)
        for column in ("Student", "Used", "Of", "Files", "Last change", "Removed"):
            table.add_column(column, no_wrap=True, justify="right" if column in {"Used", "Of", "Files"} else "left")
        table.add_column("Home", overflow="fold")
        for row in sorted(self.rows, key=lambda row: (row.archived is not None, -(row.held.size or 0), row.student)):
            held = row.held
            cells = (
                row.student,
                format_bytes(held.size),
                format_bytes(held.quota),
                "" if held.files is None else str(held.files),
                _day(held.changed),
                _day(row.archived)[:10],
                row.home,
            )
            table.add_row(*(Text(cell) for cell in cells))
        return table


def look(settings: Settings) -> Report:
    """The report of this class.

    Raises:
        ClassroomError: the hub's database cannot be read, or who keeps the homes does not answer.
    """
    homes = _homes(settings.paths.state)
    storage = settings.storage
    names = [home for _, home, _ in homes]
    mistakes: tuple[str, ...] = ()
    if settings.spawner == "process":
        held = {name: _read(settings.paths.state / "homes" / name) or Held() for name in names}
    elif storage.path is None:
        held, mistakes = _volumes(settings, names)
    else:
        held, mistakes = asyncio.run(_folders(storage, names))
    rows = tuple(Row(student, home, held[home], archived) for student, home, archived in homes if home in held)
    return Report(storage.kind, rows, _free(storage.path) if storage.path else None, mistakes)


def _homes(state: Path) -> list[tuple[str, str, str | None]]:
    """Student, home and since when it is archived, from the hub's database, which is only read."""
    database = database_file(state)
    try:
        with open_database(database) as connection:
            found = connection.execute("SELECT username, location, archived_at FROM classroom_homes ORDER BY username")
            return [(student, home, _utc(archived)) for student, home, archived in found]
    except sqlite3.Error as error:
        raise ClassroomError(
            f"{database}: cannot be read ({error}); run this as root, after the hub's start"
        ) from error


async def _folders(storage: Storage, homes: list[str]) -> tuple[dict[str, Held], tuple[str, ...]]:
    mistakes = tuple((await ask(storage.helper, "check"))["mistakes"])
    turn = asyncio.Semaphore(_AT_ONCE)
    unread: list[str] = []

    async def count(home: str) -> Held:
        async with turn:
            try:
                answer = await ask(storage.helper, "use", home, _PATIENCE)
            except ClassroomError as error:
                unread.append(str(error))
                return Held()
        changed = datetime.fromtimestamp(answer["changed"], UTC).isoformat()
        return Held(answer["size"], answer["files"], changed, answer["quota"])

    held = dict(zip(homes, await asyncio.gather(*map(count, homes)), strict=True))
    return held, mistakes + (() if mistakes else tuple(unread))


def _volumes(settings: Settings, homes: list[str]) -> tuple[dict[str, Held], tuple[str, ...]]:
    client = Engine(settings.docker.host, timeout=600).client
    try:
        volumes = client.df()["Volumes"] or []
    except (docker.errors.DockerException, OSError) as error:
        raise EngineSilentError(settings.docker.host, error) from error
    return {volume["Name"]: _volume(volume) for volume in volumes if volume["Name"] in homes}, ()


def _volume(volume: Mapping[str, Any]) -> Held:
    # What the engine does not know root finds where the engine keeps it.
    if held := _read(Path(volume["Mountpoint"])):
        return held
    size = (volume.get("UsageData") or {}).get("Size", -1)
    return Held(size if size >= 0 else None)


def _read(home: Path) -> Held | None:
    """What is in a folder; None where it may not be seen."""
    try:
        found = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            use = folders.use(found)
        finally:
            os.close(found)
    except OSError:
        return None
    return Held(use.size, use.files, datetime.fromtimestamp(use.changed, UTC).isoformat())


def _free(path: Path) -> int | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _utc(stored: str | None) -> str | None:
    return None if stored is None else datetime.fromisoformat(stored).replace(tzinfo=UTC).isoformat()


def _day(time: str | None) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}" if time else ""
