"""Checks of the kernel's limits that all containers share, because all students have the same user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from classroom.docker.container import LABEL, SHARED_LIMITS
from classroom.doctor.checks import ok, warning
from classroom.doctor.engine import call_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

ABOUT = "kernel's limits"
_WELL = "One student cannot use up what the kernel counts for all."
_UNLIMITED = 2**31 - 1  # the largest that each of them takes

SYSCTLS = {
    "fs.aio-max-nr": _UNLIMITED,
    "fs.epoll.max_user_watches": _UNLIMITED,
    "fs.file-max": _UNLIMITED,
    "fs.inotify.max_user_instances": _UNLIMITED,
    "fs.inotify.max_user_watches": _UNLIMITED,
    "fs.pipe-user-pages-soft": 0,  # no limit (pipe(7))
    "kernel.pid_max": 4_194_304,  # the largest (proc_sys_kernel(5))
}
"""Limits of one user or of the whole machine, and the values with which a container's own limits are reached first.

What they count, the kernel takes from the memory of the container: an inotify instance is 1 KB of it, a watch of epoll
200 bytes, an event of asynchronous I/O 100 bytes, a full pipe 68 KB (measured on Linux 6.18). modules/kernel.nix has
the same values.
"""


def check_kernel(settings: Settings) -> Iterable[Finding]:
    """Check that one student cannot use up what the kernel counts for all."""
    findings = [*inspect_sysctls(read_sysctls()), *_containers(settings)]
    yield from findings or [ok(ABOUT, _WELL)]


def check_sysctls() -> Iterable[Finding]:
    """Check the kernel's limits alone, where no class runs yet."""
    yield from [*inspect_sysctls(read_sysctls())] or [ok(ABOUT, _WELL)]


def read_sysctls(sysctls: Path = Path("/proc/sys")) -> dict[str, int]:
    """Return the values of `SYSCTLS`; a kernel without the feature does not have its limit either."""
    # They are in no namespace: the same in a container of Docker Compose.
    files = {name: sysctls / name.replace(".", "/") for name in SYSCTLS}
    return {name: int(file.read_text(encoding="ascii")) for name, file in files.items() if file.exists()}


def inspect_sysctls(values: Mapping[str, int]) -> Iterable[Finding]:
    """Return the limits that one student can use up, with the command that raises them."""
    known = {name: least for name, least in SYSCTLS.items() if name in values}
    low = {name: least for name, least in known.items() if (values[name] < least if least else values[name] != least)}
    if low:
        lines = " ".join(f"'{name} = {least}'" for name, least in low.items())
        yield warning(
            ABOUT,
            f"One student can use up for all what these limit: {', '.join(low)}.",
            f"printf '%s\\n' {lines} >> /etc/sysctl.d/60-classroom.conf && sysctl --system",
        )


def _containers(settings: Settings) -> Iterable[Finding]:
    """Return a warning if the engine could not raise the limits of a running student's container."""
    label = f"{LABEL}network={settings.network.name}"
    for container in call_engine(settings, "containers", filters={"label": [label]})[:1]:
        limits = call_engine(settings, "inspect_container", container["Id"])["HostConfig"]["Ulimits"] or []
        missing = sorted(set(SHARED_LIMITS) - {limit["Name"] for limit in limits})
        if missing:
            yield warning(
                ABOUT,
                f"The engine may not raise limits ({', '.join(missing)}): one student can use them up for all.",
                "run dockerd with CAP_SYS_RESOURCE",
            )
