"""GPU inventory of the machine, from its CDI specifications. The files are its only source."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.gpus.cdi import CdiDevice, parse_specification
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_MAX_SIZE = 16 * 1024**2  # bytes; NVIDIA's file for eight cards has 100 KB


@dataclass(frozen=True)
class Device:
    """A GPU, or a MIG instance of one: the unit of allocation."""

    name: str
    """The shortest of its names, such as ``nvidia.com/gpu=0``."""
    names: tuple[str, ...]
    """All its names."""
    identity: str
    """An identifier that stays the same when the names change."""

    @property
    def label(self) -> str:
        """Return the name for people: ``0``, or the full name of another vendor's device."""
        return self.name.removeprefix("nvidia.com/gpu=")


@dataclass(frozen=True)
class Inventory:
    """The devices of the machine."""

    devices: tuple[Device, ...] = ()
    """The GPUs, each once, in the order in which people count them."""
    names: frozenset[str] = frozenset()
    """Every name that the engine knows, including other kinds and names of several devices."""
    problems: tuple[str, ...] = ()
    """Problems of the files, for the operator."""

    @cached_property
    def by_name(self) -> dict[str, Device]:
        """Return each device under all its names."""
        return {name: device for device in self.devices for name in device.names}

    @cached_property
    def identities(self) -> dict[str, str]:
        """Return the identity of each name, and of each identity."""
        return {name: device.identity for device in self.devices for name in (*device.names, device.identity)}

    def of_kind(self, kind: str) -> tuple[Device, ...]:
        """Return the devices of a kind: those that its "all" includes."""
        return tuple(device for device in self.devices if any(name.startswith(f"{kind}=") for name in device.names))


def qualified_name(name: str) -> str:
    """Return a device's full CDI name; names without a kind are NVIDIA's."""
    return name if "=" in name else f"nvidia.com/gpu={name}"


def discover(cdi_devices: Iterable[CdiDevice], problems: Iterable[str] = ()) -> Inventory:
    """Return the inventory of these CDI devices: each GPU once, whatever its names."""
    every = list(cdi_devices)
    gpus = [device for device in every if device.kind.endswith("/gpu")]
    single = [device for device in gpus if device.name != "all" and len(device.cards) < 2]
    # A driver without names for single devices (Windows' subsystem, Jetson): all of them count as one.
    single = single or [device for device in gpus if device.name == "all"]
    # Only the parts of a divided card are allocated.
    divided = frozenset[str]().union(*(device.cards for device in single if device.is_instance))
    single = [device for device in single if device.is_instance or not device.cards & divided]
    grouped: dict[str, list[str]] = {}
    for device in single:
        grouped.setdefault(device.identity, []).append(device.qualified)
    devices = []
    for identity, names in grouped.items():
        ordered = sorted(names, key=_order)
        devices.append(Device(ordered[0], tuple(ordered), identity))
    devices.sort(key=lambda device: _order(device.name))
    return Inventory(tuple(devices), frozenset(device.qualified for device in every), tuple(problems))


def _order(name: str) -> tuple[str, int, list[tuple[int, int, str]]]:
    kind, _, short = name.partition("=")
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", short)]
    # Indexes before UUIDs: "0" and "0:1" are what people say.
    return kind, 0 if re.fullmatch(r"\d+(:\d+)?", short) else 1, parts


class CdiCache:
    """The inventory of some directories, read again after a change of a file. Slow then: call it in a thread."""

    def __init__(self, directories: Sequence[Path]) -> None:
        """Remember the directories without reading them.

        Args:
            directories: where the files are; later ones win, as in the engine.
        """
        self._directories = tuple(directories)
        self._signature: object = None
        self._inventory = Inventory()

    def read(self) -> Inventory:
        """Return the inventory of the files as they are now."""
        files, problems = _list_files(self._directories)
        if (files, problems) != self._signature:
            self._inventory = _load([path for path, *_ in files], problems)
            self._signature = files, problems
        return self._inventory


@cache
def cdi_cache_at(directories: tuple[Path, ...]) -> CdiCache:
    """Return the one cache of these directories."""
    return CdiCache(directories)


def _list_files(directories: Iterable[Path]) -> tuple[tuple[tuple[Path, int, int, int], ...], tuple[str, ...]]:
    files, problems = [], []
    for directory in directories:
        try:
            for path in sorted(path for path in directory.iterdir() if path.suffix in {".json", ".yaml"}):
                with suppress(FileNotFoundError):  # removed since: it was replaced under another name
                    status = path.stat()
                    files.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
        except (FileNotFoundError, NotADirectoryError):
            continue  # the engine's default directories may be missing
        except OSError as error:
            problems.append(f"{directory}: cannot be read ({error.strerror}); let the hub's user read it")
    return tuple(files), tuple(problems)


def _load(paths: Iterable[Path], file_problems: Iterable[str]) -> Inventory:
    problems = list(file_problems)
    named: dict[str, tuple[Path, CdiDevice]] = {}
    twice: set[str] = set()
    for path in paths:
        try:
            devices = _parse_file(path)
        except ClassroomError as error:
            problems.append(f"{path}: {error}; its GPUs do not count. {_remedy(path)}")
            continue
        for device in devices:
            earlier = named.get(device.qualified)
            if earlier and earlier[0].parent == path.parent:
                problems.append(
                    f"{path}: names {device.qualified}, as {earlier[0].name} does; the engine then attaches it to "
                    "no container. Remove one of the two files"
                )
                twice.add(device.qualified)
            else:
                twice.discard(device.qualified)
            named[device.qualified] = (path, device)
    return discover((device for name, (_, device) in named.items() if name not in twice), problems)


def _parse_file(path: Path) -> tuple[CdiDevice, ...]:
    try:
        if path.stat().st_size > _MAX_SIZE:
            raise ClassroomError(f"it is larger than {format_bytes(_MAX_SIZE)}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"it cannot be read ({error})") from error
    return parse_specification(text, is_yaml=path.suffix == ".yaml")


def _remedy(path: Path) -> str:
    return f"Write it again (NVIDIA: nvidia-ctk cdi generate --output={path}) or remove it"
