"""The GPUs of the machine, from its CDI specifications. Nothing is remembered that the files no longer say."""

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

_BIGGEST = 16 * 1024**2  # bytes; NVIDIA's file for eight cards has 100 KB


@dataclass(frozen=True)
class Device:
    """A GPU, or a MIG instance of one: what one student can have."""

    name: str
    """The shortest of its names, such as ``nvidia.com/gpu=0``."""
    names: tuple[str, ...]
    """All its names."""
    identity: str
    """What stays the same when the names change."""

    @property
    def label(self) -> str:
        """What people call it: ``0``, or the whole name where it is not NVIDIA's."""
        return self.name.removeprefix("nvidia.com/gpu=")


@dataclass(frozen=True)
class Inventory:
    """What the machine has."""

    devices: tuple[Device, ...] = ()
    """The GPUs, each once, in the order in which people count them."""
    names: frozenset[str] = frozenset()
    """Every name that the engine knows: of other kinds too, and those that stand for several devices."""
    problems: tuple[str, ...] = ()
    """What is wrong with the files, for the operator."""

    @cached_property
    def by_name(self) -> dict[str, Device]:
        """Each device under all its names."""
        return {name: device for device in self.devices for name in device.names}

    @cached_property
    def identities(self) -> dict[str, str]:
        """The identity behind each name, and behind itself."""
        return {name: device.identity for device in self.devices for name in (*device.names, device.identity)}

    def of_kind(self, kind: str) -> tuple[Device, ...]:
        """The devices that a kind's "all" stands for."""
        return tuple(device for device in self.devices if any(name.startswith(f"{kind}=") for name in device.names))


def qualified(name: str) -> str:
    """A device's full CDI name; names without a kind are NVIDIA's."""
    return name if "=" in name else f"nvidia.com/gpu={name}"


def discover(found: Iterable[CdiDevice], problems: Iterable[str] = ()) -> Inventory:
    """Make an inventory of what the specifications name: each GPU once, whatever its names."""
    every = list(found)
    gpus = [each for each in every if each.kind.endswith("/gpu")]
    single = [each for each in gpus if each.name != "all" and len(each.cards) < 2]
    # A driver without names for single devices (Windows' subsystem, Jetson): all there is, is one.
    single = single or [each for each in gpus if each.name == "all"]
    # A card that is divided is given by its parts only.
    divided = frozenset[str]().union(*(each.cards for each in single if each.is_instance))
    single = [each for each in single if each.is_instance or not each.cards & divided]
    grouped: dict[str, list[str]] = {}
    for each in single:
        grouped.setdefault(each.identity, []).append(each.qualified)
    devices = []
    for identity, names in grouped.items():
        ordered = sorted(names, key=_order)
        devices.append(Device(ordered[0], tuple(ordered), identity))
    devices.sort(key=lambda device: _order(device.name))
    return Inventory(tuple(devices), frozenset(each.qualified for each in every), tuple(problems))


def _order(name: str) -> tuple[str, int, list[tuple[int, int, str]]]:
    kind, _, short = name.partition("=")
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", short)]
    # Indexes before UUIDs: "0" and "0:1" are what people say.
    return kind, 0 if re.fullmatch(r"\d+(:\d+)?", short) else 1, parts


class CdiCache:
    """Reads the specifications again whenever a file has changed. Takes a while then: call it in a thread."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read nothing yet.

        Args:
            folders: where the files are; later ones win, as in the engine.
        """
        self._folders = tuple(folders)
        self._seen: object = None
        self._inventory = Inventory()

    def read(self) -> Inventory:
        """The inventory as the files say it now."""
        seen, problems = _look(self._folders)
        signature = (seen, problems)
        if signature != self._seen:
            self._inventory = _load([path for path, *_ in seen], problems)
            self._seen = signature
        return self._inventory


@cache
def cdi_cache_at(folders: tuple[Path, ...]) -> CdiCache:
    """The stock of these folders: read once however many ask."""
    return CdiCache(folders)


def _look(folders: Iterable[Path]) -> tuple[tuple[tuple[Path, int, int, int], ...], tuple[str, ...]]:
    seen, problems = [], []
    for folder in folders:
        try:
            for path in sorted(path for path in folder.iterdir() if path.suffix in {".json", ".yaml"}):
                with suppress(FileNotFoundError):  # gone since: it was written anew under another name
                    status = path.stat()
                    seen.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
        except (FileNotFoundError, NotADirectoryError):
            continue  # the engine looks in places that need not be there
        except OSError as error:
            problems.append(f"{folder}: cannot be read ({error.strerror}); let the hub's user read it")
    return tuple(seen), tuple(problems)


def _load(paths: Iterable[Path], problems: Iterable[str]) -> Inventory:
    said = list(problems)
    named: dict[str, tuple[Path, CdiDevice]] = {}
    twice: set[str] = set()
    for path in paths:
        try:
            devices = _parse_file(path)
        except ClassroomError as error:
            said.append(f"{path}: {error}; its GPUs do not count. {_remedy(path)}")
            continue
        for device in devices:
            earlier = named.get(device.qualified)
            if earlier and earlier[0].parent == path.parent:
                said.append(
                    f"{path}: names {device.qualified}, as {earlier[0].name} does; the engine then gives it to nobody. "
                    "Remove one of the two files"
                )
                twice.add(device.qualified)
            else:
                twice.discard(device.qualified)
            named[device.qualified] = (path, device)
    return discover((device for name, (_, device) in named.items() if name not in twice), said)


def _parse_file(path: Path) -> tuple[CdiDevice, ...]:
    try:
        if path.stat().st_size > _BIGGEST:
            raise ClassroomError(f"it is larger than {format_bytes(_BIGGEST)}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"it cannot be read ({error})") from error
    return parse_specification(text, is_yaml=path.suffix == ".yaml")


def _remedy(path: Path) -> str:
    return f"Write it again (NVIDIA: nvidia-ctk cdi generate --output={path}) or remove it"
