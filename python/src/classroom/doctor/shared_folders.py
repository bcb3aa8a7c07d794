"""The groups' shared folders: there, and for students to read, as the engine sees them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from classroom.docker.container import USER
from classroom.doctor import engine
from classroom.doctor.checks import ok, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

ABOUT = "shared folders"
_USER, _GROUP = map(int, USER.split(":"))


def check_shared_directories(settings: Settings) -> Iterable[Finding]:
    """Look at each; silent where there are none."""
    groups: dict[Path, list[str]] = {}
    for name, group in settings.groups.items():
        for path in group.shared:
            groups.setdefault(path, []).append(name)
    if not groups:
        return
    process = engine.find_process(settings.docker.host)
    root = process.root if process else engine.machine_root(settings)
    said = [
        finding for path, names in groups.items() for finding in inspect_shared_directory(path, ", ".join(names), root)
    ]
    yield from said or [ok(ABOUT, f"{len(groups)}, each there and for students to read.")]


def inspect_shared_directory(path: Path, groups: str, root: Path) -> Iterable[Finding]:
    """What is wrong with one.

    Raises:
        PermissionError: it is not for this user to see.
    """
    try:
        found = (root / path.relative_to("/")).stat()
    except FileNotFoundError:
        says = f"{path} is not on this machine: nobody of {groups} can start."
        yield wrong(ABOUT, says, f"mount its disk, or: mkdir -p {path}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield wrong(ABOUT, f"{path} is not a folder.", f"name a folder in the settings of {groups}")
        return
    # What counts for a process of the student: owner, group or the others, whichever comes first.
    shift = {found.st_gid == _GROUP: 3, found.st_uid == _USER: 6}.get(True, 0)
    if (found.st_mode >> shift) & 5 != 5:
        says = f"{path} is not for students to read: {groups} see it and cannot open it."
        yield wrong(ABOUT, says, f"chmod a+rx {path}")
