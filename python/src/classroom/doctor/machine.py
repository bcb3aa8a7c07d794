"""Checks of the machine: free space of its disks, and its clock."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.doctor import engine
from classroom.doctor.checks import Finding, NotCheckedError, State, ok, warning
from classroom.units import format_bytes, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.settings.models import Settings

DISK, CLOCK = "disk", "clock"
_GIB = 1024**3
_LOW = (0.10, 20 * _GIB)
_FULL = (0.02, 2 * _GIB)
"""Share and bytes that are free; a disk is low, or full, when both are less."""
_TIME_ERROR, _UNSYNCHRONIZED = 5, 0x40  # adjtimex(2)


@dataclass(frozen=True)
class Disk:
    """One file system."""

    what: str
    """The parts of the class on it."""
    size: int
    """Bytes."""
    free: int
    """Bytes that are free for every user."""
    files: int
    """The maximum number of files; 0 without a limit."""
    files_free: int


def check_disks(settings: Settings) -> Iterable[Finding]:
    """Check the free space for the state, the homes and the images: each file system once."""
    places = {"state": settings.paths.state}
    if data := _engine_data(settings):
        places["homes and images"] = data
    for disk in disks(places):
        yield inspect_disk(disk)


def disks(places: Mapping[str, Path]) -> Iterable[Disk]:
    """Return the file systems of these directories, each once."""
    file_systems: dict[int, tuple[list[str], Path]] = {}
    for part, path in places.items():
        if path.exists():
            file_systems.setdefault(path.stat().st_dev, ([], path))[0].append(part)
    for names, path in file_systems.values():
        status = os.statvfs(path)
        yield Disk(
            ", ".join(names),
            status.f_blocks * status.f_frsize,
            status.f_bavail * status.f_frsize,
            status.f_files,
            status.f_favail,
        )


def inspect_disk(disk: Disk) -> Finding:
    """Return whether the free space is enough for a day of a class."""
    share = disk.free / disk.size if disk.size else 1
    files = disk.files_free / disk.files if disk.files else 1
    text = f"{disk.what}: {format_bytes(disk.free)} of {format_bytes(disk.size)} free ({format_percent(share)})"
    if files < _LOW[0]:
        text += f", and room for {disk.files_free} more files only ({files:.1%})"
    remedy = "docker image prune --all --filter 'label!=org.classroom.keep'"
    if (share < _FULL[0] and disk.free < _FULL[1]) or files < _FULL[0]:
        return Finding(DISK, State.WRONG, f"{text}: students cannot save.", remedy)
    if (share < _LOW[0] and disk.free < _LOW[1]) or files < _LOW[0]:
        return Finding(DISK, State.WARNING, f"{text}.", remedy)
    return Finding(DISK, State.OK, f"{text}.")


def check_clock() -> Iterable[Finding]:
    """Check that the clock is synchronized: tokens and certificates depend on it."""
    try:
        state, status = _adjtimex()
    except OSError as error:
        yield warning(
            CLOCK, f"The kernel does not report whether it is synchronized ({error.strerror}).", "timedatectl"
        )
        return
    if state == _TIME_ERROR or status & _UNSYNCHRONIZED:
        yield warning(CLOCK, "The clock is not synchronized.", "timedatectl set-ntp true")
    else:
        yield ok(CLOCK, "The clock is synchronized.")


def _adjtimex() -> tuple[int, int]:
    """Return the state and the status bits of the kernel's clock; this needs no privilege."""

    class Timex(ctypes.Structure):
        """The beginning of struct timex (adjtimex(2))."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 512),
        )

    library = ctypes.CDLL(None, use_errno=True)
    timex = Timex()
    state = int(library.adjtimex(ctypes.byref(timex)))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return state, timex.status


def _engine_data(settings: Settings) -> Path | None:
    """Return the directory of the engine's data, as this process sees it; None if it is unknown or elsewhere."""
    if settings.spawner == "process" or not settings.docker.host.startswith("unix://"):
        return None
    try:
        directory = Path(engine.call_engine(settings, "info")["DockerRootDir"])
        process = engine.find_process(settings.docker.host)
        visible = process.root / directory.relative_to("/") if process else directory
        return visible if visible.exists() else None
    except (NotCheckedError, PermissionError):
        return None
