"""Check of the engine filter, and of the hub's rights to the engine's own socket."""

from __future__ import annotations

import contextlib
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from classroom.docker.client import ENGINE_ERRORS, make_client
from classroom.doctor import units
from classroom.doctor.checks import ok, warning, wrong

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

ABOUT = "engine filter"
_TIMEOUT = 4  # seconds
_REFUSED = 403


def check_filter(settings: Settings) -> Iterable[Finding]:
    """Check that the hub reaches the engine through the filter, and not otherwise."""
    path = settings.docker.filter
    if path is None:
        yield warning(
            ABOUT,
            "The hub uses the engine's own socket. If somebody breaks into the hub, the machine is theirs.",
            "write docker.filter, and run: classroom engine-filter --listen PATH",
        )
        return
    start = units.restart("classroom-engine", f"classroom engine-filter --listen {path}")
    if not _refuses(settings):
        yield wrong(ABOUT, f"No engine filter answers at {path}: no server can start.", start)
    elif _hub_reaches(settings.docker.host):
        yield warning(
            ABOUT,
            f"The hub can open the engine's own socket {settings.docker.host}, not only the filter's.",
            "take the hub's user out of the socket's group, then: systemctl restart classroom-hub",
        )
    else:
        yield ok(ABOUT, "The hub reaches the engine through it only.")


def _refuses(settings: Settings) -> bool:
    """Return whether the filter answers, which it does by refusing what the hub does not need.

    Raises:
        PermissionError: this user may not connect.
    """
    try:
        with contextlib.closing(make_client(settings.docker.hub_host, _TIMEOUT)) as client:
            client.info()
    except docker.errors.APIError as error:
        return bool(error.status_code == _REFUSED)
    except ENGINE_ERRORS as error:
        if "Permission denied" in str(error):
            raise PermissionError from error
    return False


def _hub_reaches(host: str) -> bool:
    """Return whether the hub's process may open the engine's socket; False if systemd does not run the hub."""
    pid = units.main_pid("classroom-hub.service")
    if pid is None or not host.startswith("unix://"):
        return False
    process = Path(f"/proc/{pid}")
    identities = re.findall(r"^(?:Uid|Gid|Groups):(.*)", (process / "status").read_text(encoding="ascii"), re.MULTILINE)
    uid, gid, groups = ([int(number) for number in line.split()] for line in identities)
    try:
        # As the hub sees it: its unit hides the socket.
        status = (process / "root" / host.removeprefix("unix:///")).stat()
    except FileNotFoundError:
        return False
    return may_connect(status, uid[1], {gid[1], *groups})


def may_connect(status: os.stat_result, uid: int, groups: Collection[int]) -> bool:
    """Return whether a user may connect to a socket, for which unix(7) demands the right to write."""
    # systemd puts a socket without any right in place of a hidden one (systemd.exec(5), InaccessiblePaths=).
    if not stat.S_ISSOCK(status.st_mode) or not stat.S_IMODE(status.st_mode):
        return False
    if uid in {0, status.st_uid}:
        return bool(status.st_mode & stat.S_IWUSR) or uid == 0
    return bool(status.st_mode & (stat.S_IWGRP if status.st_gid in groups else stat.S_IWOTH))
