"""Checks of the groups' shared directories, as the engine sees them."""

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
    """Check that students can read each shared directory; no finding without any."""
    groups: dict[Path, list[str]] = {}
    for name, group in settings.groups.items():
        for path in group.shared:
            groups.setdefault(path, []).append(name)
    if not groups:
        return
    process = engine.find_process(settings.docker.host)
    root = process.root if process else engine.machine_root(settings)
    findings = [
        finding for path, names in groups.items() for finding in inspect_shared_directory(path, ", ".join(names), root)
    ]
    yield from findings or [ok(ABOUT, f"{len(groups)}, students can read all of them.")]


def inspect_shared_directory(path: Path, groups: str, root: Path) -> Iterable[Finding]:
    """Return the problems of one.

    Raises:
        PermissionError: this user cannot see it.
    """
    try:
        status = (root / path.relative_to("/")).stat()
    except FileNotFoundError:
        says = f"{path} is not on this machine: no student of {groups} can start a server."
        yield wrong(ABOUT, says, f"mount its disk, or: mkdir -p {path}")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield wrong(ABOUT, f"{path} is not a directory.", f"name a directory in the settings of {groups}")
        return
    # The mode that applies to the student: owner, group or others, in this order.
    shift = {status.st_gid == _GROUP: 3, status.st_uid == _USER: 6}.get(True, 0)
    if (status.st_mode >> shift) & 5 != 5:
        says = f"{path}: students of {groups} cannot read it."
        yield wrong(ABOUT, says, f"chmod a+rx {path}")
