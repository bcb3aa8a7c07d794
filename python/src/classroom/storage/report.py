"""The report of homes: disk use, quota and last change, as data and as a table."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from classroom.db.sqlite import database_file, open_database
from classroom.docker.client import connect
from classroom.errors import ClassroomError, printable
from classroom.storage import home_directories
from classroom.storage.client import call_helper
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.settings.models import Settings, Storage

_PARALLEL_CALLS = 4
_TIMEOUT = 600  # seconds for one home


@dataclass(frozen=True)
class HomeContents:
    """The content of a home in figures; None where it is unknown."""

    size: int | None = None
    """Bytes on the disk."""
    files: int | None = None
    """Files and directories."""
    changed: str | None = None
    """Time of the last change: ISO 8601, UTC."""
    quota: int | None = None
    """The limit in bytes."""


@dataclass(frozen=True)
class HomeRow:
    """A home and its student."""

    student: str
    home: str
    contents: HomeContents
    archived: str | None = None
    """When the student's account was removed: ISO 8601, UTC."""

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return {"student": self.student, "home": self.home, "archived": self.archived} | asdict(self.contents)


@dataclass(frozen=True)
class StorageReport:
    """All homes of a class."""

    kind: str
    rows: tuple[HomeRow, ...]
    free: int | None
    """Free bytes on the file system of the homes; None for volumes."""
    problems: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        rows = [row.as_data() for row in self.rows]
        return {"kind": self.kind, "free": self.free, "mistakes": self.problems, "homes": rows}

    def as_table(self) -> Table:
        """Return a table for people: the largest homes first, those of removed students last."""
        used = sum(row.contents.size or 0 for row in self.rows)
        homes = "1 home" if len(self.rows) == 1 else f"{len(self.rows)} homes"
        caption = f"{format_bytes(used)} in {homes}" + (f", {format_bytes(self.free)} free" if self.free else "")
        table = Table(caption=caption, box=None)
        for column in ("Student", "Used", "Of", "Files", "Last change", "Removed"):
            table.add_column(column, no_wrap=True, justify="right" if column in {"Used", "Of", "Files"} else "left")
        table.add_column("Home", overflow="fold")
        for row in sorted(
            self.rows, key=lambda row: (row.archived is not None, -(row.contents.size or 0), row.student)
        ):
            cells = (
                row.student,
                format_bytes(row.contents.size),
                format_bytes(row.contents.quota),
                "" if row.contents.files is None else str(row.contents.files),
                _local_time(row.contents.changed),
                _local_time(row.archived)[:10],
                row.home,
            )
            table.add_row(*(Text(printable(cell)) for cell in cells))
        return table


def inspect_homes(settings: Settings) -> StorageReport:
    """Return the report of this class.

    Raises:
        ClassroomError: the hub's database cannot be read, or the helper or the engine does not answer.
    """
    homes = recorded_homes(settings.paths.state)
    storage = settings.storage
    names = [home for _, home, _ in homes]
    problems: tuple[str, ...] = ()
    if settings.spawner == "process":
        parent = settings.paths.state / "homes"
        contents = {name: _measure_directory(parent / name) or HomeContents() for name in names}
    elif storage.path is None:
        contents = _measure_volumes(settings, names)
    else:
        contents, problems = asyncio.run(_measure_by_helper(storage, names))
    rows = tuple(
        HomeRow(student, home, contents[home], archived) for student, home, archived in homes if home in contents
    )
    return StorageReport(storage.kind, rows, _free_bytes(storage.path) if storage.path else None, problems)


def recorded_homes(state: Path) -> list[tuple[str, str, str | None]]:
    """Return student, home and the time of removal of each home in the hub's database."""
    file = database_file(state)
    query = "SELECT username, location, archived_at FROM classroom_homes ORDER BY username"
    try:
        with open_database(file) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise ClassroomError(f"{file}: cannot be read ({error}); run this as root, after the hub's start") from error
    return [(student, home, _as_utc(archived)) for student, home, archived in rows]


async def _measure_by_helper(storage: Storage, homes: list[str]) -> tuple[dict[str, HomeContents], tuple[str, ...]]:
    problems = tuple((await call_helper(storage.helper, "check"))["mistakes"])
    calls = asyncio.Semaphore(_PARALLEL_CALLS)
    errors: list[str] = []

    async def measure(home: str) -> HomeContents:
        async with calls:
            try:
                answer = await call_helper(storage.helper, "use", home, _TIMEOUT)
            except ClassroomError as error:
                errors.append(str(error))
                return HomeContents()
        changed = datetime.fromtimestamp(answer["changed"], UTC).isoformat()
        return HomeContents(answer["size"], answer["files"], changed, answer["quota"])

    contents = dict(zip(homes, await asyncio.gather(*map(measure, homes)), strict=True))
    return contents, problems or tuple(errors)


def _measure_volumes(settings: Settings, homes: list[str]) -> dict[str, HomeContents]:
    with connect(settings.docker.host, _TIMEOUT) as client:
        volumes = client.df()["Volumes"] or []
    return {volume["Name"]: _measure_volume(volume) for volume in volumes if volume["Name"] in homes}


def _measure_volume(volume: Mapping[str, Any]) -> HomeContents:
    # Root can count the files, the engine cannot.
    if contents := _measure_directory(Path(volume["Mountpoint"])):
        return contents
    size = (volume.get("UsageData") or {}).get("Size", -1)
    return HomeContents(size if size >= 0 else None)


def _measure_directory(home: Path) -> HomeContents | None:
    """Return the content of a directory in figures; None if this user may not read it."""
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            usage = home_directories.measure_usage(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return HomeContents(usage.size, usage.files, datetime.fromtimestamp(usage.changed, UTC).isoformat())


def _free_bytes(path: Path) -> int | None:
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _as_utc(stored: str | None) -> str | None:
    return None if stored is None else datetime.fromisoformat(stored).replace(tzinfo=UTC).isoformat()


def _local_time(time: str | None) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}" if time else ""
