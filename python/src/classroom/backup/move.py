"""Move of homes between volumes of the engine and directories (`classroom homes move`).

Each home is copied next to its new place, compared with the old one, and renamed in one step. So a run that was killed
leaves no half home behind, and the next one continues. Until then servers with these homes do not start
(`classroom.storage.unmoved`). The old homes stay until `remove_old`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom import process
from classroom.backup.compare import first_difference
from classroom.backup.homes import find_directories, find_volumes, prepare_home, running_students
from classroom.docker.client import connect
from classroom.errors import ClassroomError
from classroom.storage.home_directories import open_store, walk_home
from classroom.storage.quota import PROJECT_ATTRIBUTE
from classroom.storage.report import recorded_homes
from classroom.storage.unmoved import read_unmoved, record_unmoved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from classroom.settings.models import Settings

_MOVED = "trusted.classroom.moved"
"""An attribute of a copied home: when the old one had last changed. Only root reads and writes it."""


class _JoinError(ClassroomError):
    """Someone has worked in the new place already."""


@dataclass(frozen=True)
class OldHome:
    """A home in the place that the settings no longer name."""

    location: str
    student: str
    path: Path
    problem: str = ""


@dataclass(frozen=True)
class MoveReport:
    """The result of a run."""

    moved: tuple[str, ...] = ()
    """Locations that this run copied."""
    done: tuple[str, ...] = ()
    """Locations that an earlier run copied."""
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """Homes that were left as they are, a sentence each."""


def move_homes(
    settings: Settings, old: Path | None, names: Sequence[str], progress: Callable[[float, float], None]
) -> MoveReport:
    """Copy homes to where the settings want them; those of running servers are left as they are.

    Args:
        settings: with the new `storage`.
        old: the directory of the old homes; None for volumes.
        names: of students; empty for all homes.
        progress: gets the number of homes that are done, and of all.

    Raises:
        ClassroomError: this is not root, the engine does not answer, or old and new place are the same.
    """
    moved: list[str] = []
    done: list[str] = []
    problems: list[str] = []
    homes = _old_homes(settings, old, names)
    # With those of an earlier run that had other names.
    unmoved = read_unmoved(settings).locations | {home.location for home in homes}
    record_unmoved(settings.paths.state, old, unmoved)
    for number, home in enumerate(homes):
        progress(number, len(homes))
        try:
            is_new = _move_home(settings, home, prepare_home(settings, home.location, home.student))
        except _JoinError as error:
            problems.append(str(error))
        except (ClassroomError, OSError) as error:
            problems.append(str(error))
            continue
        else:
            (moved if is_new else done).append(home.location)
        unmoved -= {home.location}
        record_unmoved(settings.paths.state, old, unmoved)
    return MoveReport(tuple(moved), tuple(done), (), tuple(problems))


def remove_old(settings: Settings, old: Path | None, names: Sequence[str]) -> MoveReport:
    """Remove the old homes that `move_homes` has copied. Arguments and errors are those of `move_homes`."""
    removed: list[str] = []
    problems: list[str] = []
    for home in _old_homes(settings, old, names):
        try:
            _remove(settings, home, old)
        except (ClassroomError, OSError) as error:
            problems.append(str(error))
        else:
            removed.append(home.location)
    return MoveReport(removed=tuple(removed), problems=tuple(problems))


def _remove(settings: Settings, home: OldHome, old: Path | None) -> None:
    if not _is_moved(home, prepare_home(settings, home.location, home.student)):
        raise ClassroomError(f"{home.location} has not been moved; run this without --remove-old first")
    _refuse_in_use(settings, home)
    if old is None:
        with connect(settings.docker.host) as client:
            client.remove_volume(home.location)
    else:
        shutil.rmtree(home.path)


def _old_homes(settings: Settings, old: Path | None, names: Sequence[str]) -> list[OldHome]:
    if settings.spawner != "docker":
        raise ClassroomError("homes of a class of processes are directories already")
    if os.geteuid() != 0:
        raise ClassroomError("Only root can read all homes: run sudo classroom homes move")
    if (old is None) == (settings.storage.path is None):
        kind = 'write storage.kind = "directory" and storage.path first' if old is None else "remove storage.path first"
        raise ClassroomError(f"storage in the settings is the place where homes are now; {kind}")
    if old is None:
        found = find_volumes(settings)
    else:
        with open_store(old):
            found = find_directories(old, settings.docker.prefix)
    owners = {home: student for student, home, _ in recorded_homes(settings.paths.state)}
    homes = [
        OldHome(location, owners.get(location, label), path, problem)
        for location, (path, label, problem) in sorted(found.items())
    ]
    if unknown := set(names) - {*owners.values(), *(home.student for home in homes)}:
        raise ClassroomError(f"{min(unknown)} has no home")
    return [home for home in homes if not names or home.student in names]


def _move_home(settings: Settings, home: OldHome, target: Path) -> bool:
    """Return whether this call copied the home.

    Raises:
        ClassroomError: its server runs, other files are in the new place, or the copy differs.
    """
    if home.problem:
        raise ClassroomError(home.problem)
    if _is_moved(home, target):
        return False
    if target.exists() and any(target.iterdir()):
        raise _JoinError(f"{home.location}: {target} has other files; join them by hand with {home.path}")
    _refuse_in_use(settings, home)
    draft = target.parent / f".moving-{home.location}"
    if draft.exists():
        shutil.rmtree(draft)
    with contextlib.suppress(OSError):
        os.removexattr(home.path, _MOVED)  # of an earlier move, whose copy it was: it is the old one now
    changed = _last_change(home.path)
    process.run(["cp", "--archive", "--no-target-directory", home.path, draft])
    os.sync()
    difference = first_difference(home.path, draft)
    if difference or _last_change(home.path) != changed:
        shutil.rmtree(draft)
        raise ClassroomError(f"{home.location}: {difference or 'it'} has changed meanwhile; run this again")
    with contextlib.suppress(OSError):
        os.removexattr(draft, PROJECT_ATTRIBUTE)  # the quota of another file system
    os.setxattr(draft, _MOVED, str(changed).encode())
    _refuse_in_use(settings, home)
    draft.rename(target)
    return True


def _is_moved(home: OldHome, target: Path) -> bool:
    """Return whether this command has copied the home.

    Raises:
        ClassroomError: someone has worked in the old home since.
    """
    try:
        moved = int(os.getxattr(target, _MOVED))
    except OSError:
        return False
    if _last_change(home.path) > moved:
        raise _JoinError(f"{home.location}: {home.path} has changed since the move; join it with {target} by hand")
    return True


def _last_change(path: Path) -> int:
    """Return when something in a home has last changed: nanoseconds since 1970, which no program can set."""
    home = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return max(status.st_ctime_ns for _, _, status in walk_home(home))
    finally:
        os.close(home)


def _refuse_in_use(settings: Settings, home: OldHome) -> None:
    if students := running_students(settings, (home.location,)):
        raise ClassroomError(f"{home.location} is in use; run: classroom servers stop {' '.join(students)}")
