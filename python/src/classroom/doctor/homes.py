"""Checks of homes: whether each home on record exists, and whether homes have a limit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from classroom.doctor import engine
from classroom.doctor.checks import ok, warning, wrong
from classroom.errors import ClassroomError
from classroom.storage.report import recorded_homes
from classroom.storage.unmoved import NONE_UNMOVED, UnmovedHomes, read_unmoved
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings, Storage

ABOUT = "homes"
_NAMED = 10  # students in a message


def check_homes(settings: Settings) -> Iterable[Finding]:
    """Check that the homes on record exist: a command that cleans up may have removed volumes."""
    homes = {home: student for student, home, archived in recorded_homes(settings.paths.state) if archived is None}
    existing = _existing(settings)
    elsewhere = _volumes(settings) - existing if settings.storage.path and homes.keys() - existing else set()
    yield from inspect_homes(homes, existing, elsewhere, read_unmoved(settings))


def inspect_homes(
    homes: dict[str, str],
    existing: set[str],
    elsewhere: AbstractSet[str] = frozenset(),
    unmoved: UnmovedHomes = NONE_UNMOVED,
) -> Iterable[Finding]:
    """Return who has lost a home.

    Args:
        homes: on record, with their students.
        existing: volumes or directories, as the settings want homes.
        elsewhere: volumes, where the settings want directories.
        unmoved: of a move that has not ended.
    """
    if halfway := sorted(homes.get(home, home) for home in unmoved.locations):
        says = f"A move of homes has not ended. The servers of {_list(halfway)} do not start."
        yield wrong(ABOUT, says, unmoved.command)
        homes = {home: student for home, student in homes.items() if home not in unmoved.locations}
    if waiting := sorted(student for home, student in homes.items() if home in elsewhere):
        says = f"The home of {_list(waiting)} is still a volume: the server does not start."
        yield wrong(ABOUT, says, "classroom homes move")
    lost = sorted(student for home, student in homes.items() if home not in existing | elsewhere)
    if not lost and not waiting and not halfway:
        yield ok(ABOUT, f"All homes on record exist: {len(homes)}.")
        return
    if lost:
        says = f"The home of {_list(lost)} does not exist. If they have had a server, their files were removed."
        yield wrong(ABOUT, says, "classroom backup list, then classroom backup restore --student NAME")


def _list(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def check_limit(storage: Storage) -> Iterable[Finding]:
    """Check that homes have a quota: without one, a student can fill the disk that all share."""
    if storage.quota:
        yield ok(ABOUT, f"Each home has at most {format_bytes(storage.quota)}.")
        return
    lines = 'storage.quota = "20G"'
    if storage.kind == "volumes":
        lines = f'storage.kind = "directory", storage.path = "/srv/homes", {lines}'
    yield warning(ABOUT, "Homes have no limit: one student can fill the disk.", f"for the next course, set {lines}")


def _existing(settings: Settings) -> set[str]:
    path = settings.storage.path
    if path is None:
        return _volumes(settings)
    try:
        return {home.name for home in path.iterdir()}
    except FileNotFoundError as error:
        if os.geteuid() != 0:
            raise PermissionError from error  # the hub's container does not have the directory
        raise ClassroomError(
            f"{path} does not exist: mount its disk, or make it with: install -d -m 711 {path}"
        ) from error


def _volumes(settings: Settings) -> set[str]:
    answer = engine.call_engine(settings, "volumes", filters={"name": settings.docker.prefix})
    return {volume["Name"] for volume in answer["Volumes"] or []}
