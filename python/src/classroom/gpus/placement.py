"""Which devices a student gets: a pure function of the policy, the machine's devices and the leases there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.gpus.inventory import qualified

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings import Gpu


@dataclass(frozen=True)
class Granted:
    """Start with these."""

    names: tuple[str, ...]
    """What the engine is asked for; empty with policy "none"."""
    identities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Without:
    """Start without a GPU: waiting would not help."""

    reason: str
    """For the student."""


@dataclass(frozen=True)
class Full:
    """Others have what there is."""

    reason: str
    """For the student."""


Placement = Granted | Without | Full

_NONE = "This machine offers no GPU to the class now."


@dataclass(frozen=True)
class Loads:
    """How many are on which device, by the devices' identities."""

    counts: dict[str, int]
    taken: frozenset[str]
    """Those that somebody has alone."""

    def count(self, device: Device) -> int:
        """How many leases a device has."""
        return self.counts[device.identity]

    def is_taken(self, device: Device) -> bool:
        """Whether one of them is exclusive."""
        return device.identity in self.taken


def held(inventory: Inventory, lease: Lease) -> set[str]:
    """Identities of the machine's devices that a lease is on.

    A lease counts for every device that has its name or its identity: when names have changed their meaning under a
    running student, a device too many is kept, never one given to two.
    """
    known = inventory.identities
    on = {known[name] for name in (*lease.names, *lease.identities) if name in known}
    for name in lease.names:
        if name.endswith("=all"):
            on.update(device.identity for device in inventory.of_kind(name.removesuffix("=all")))
    return on


def loads(inventory: Inventory, leases: Iterable[Lease]) -> Loads:
    """Put leases on the devices of the machine."""
    counts = dict.fromkeys((device.identity for device in inventory.devices), 0)
    taken: set[str] = set()
    # Many hold the same: a thousand leases name 64 devices.
    groups: dict[tuple[object, ...], list[Lease]] = {}
    for lease in leases:
        groups.setdefault((lease.names, lease.identities, lease.exclusive), []).append(lease)
    for same in groups.values():
        on = held(inventory, same[0])
        for identity in on:
            counts[identity] += len(same)
        if same[0].exclusive:
            taken |= on
    return Loads(counts, frozenset(taken))


def place(gpu: Gpu, inventory: Inventory, leases: Iterable[Lease]) -> Placement:
    """Decide for one student.

    The same input gives the same answer. Devices are taken in the order in which people count them, those with the
    fewest students first; what someone holds alone stays theirs even after a change of policy.
    """
    if gpu.policy == "none":
        return Granted(())
    placed = loads(inventory, leases)
    if gpu.policy in {"all", "devices"}:
        names = tuple(name for name in map(qualified, gpu.devices) if name in inventory.names)
        return _for_everyone(names if gpu.devices else _all_names(inventory), inventory, placed)
    devices = pool(gpu, inventory)
    if not devices:
        return Without(_NONE)
    if gpu.policy == "exclusive":
        return _exclusive(gpu.per_student, devices, placed)
    return _shared(gpu.students_per_device, devices, placed)


def pool(gpu: Gpu, inventory: Inventory) -> tuple[Device, ...]:
    """The devices that may be handed out: all, or those that the settings name."""
    if not gpu.devices:
        return inventory.devices
    wanted = {inventory.by_name.get(qualified(name)) for name in gpu.devices}
    return tuple(device for device in inventory.devices if device in wanted)


def _all_names(inventory: Inventory) -> tuple[str, ...]:
    names: list[str] = []
    for device in inventory.devices:
        everything = device.name.partition("=")[0] + "=all"
        name = everything if everything in inventory.names else device.name
        if name not in names:
            names.append(name)
    return tuple(names)


def _for_everyone(names: tuple[str, ...], inventory: Inventory, placed: Loads) -> Placement:
    """The names, less what someone was given for themselves under an earlier policy."""
    if not names:
        return Without(_NONE)
    if not any(placed.is_taken(device) for device in inventory.devices):
        devices = _meant(names, inventory)
        return Granted(names, tuple(device.identity for device in devices))
    devices = tuple(device for device in _meant(names, inventory) if not placed.is_taken(device))
    others = tuple(name for name in names if not name.endswith("=all") and name not in inventory.by_name)
    if not devices and not others:
        return Full("All GPUs belong to students who started before the rules changed.")
    return Granted((*(device.name for device in devices), *others), tuple(device.identity for device in devices))


def _meant(names: tuple[str, ...], inventory: Inventory) -> tuple[Device, ...]:
    found: dict[Device, None] = {}
    for name in names:
        if name.endswith("=all"):
            found |= dict.fromkeys(inventory.of_kind(name.removesuffix("=all")))
        elif name in inventory.by_name:
            found[inventory.by_name[name]] = None
    return tuple(found)


def _exclusive(wanted: int, devices: tuple[Device, ...], placed: Loads) -> Placement:
    if wanted > len(devices):
        return Without(f"Each student is meant to have {wanted} GPUs, and this machine has {len(devices)}.")
    free = [device for device in devices if not placed.count(device)]
    if len(free) < wanted:
        return Full(
            "All GPUs are in use."
            if not free
            else f"Only {len(free)} of the {wanted} GPUs that a student gets {'is' if len(free) == 1 else 'are'} free."
        )
    return _granted(free[:wanted])


def _shared(students: int, devices: tuple[Device, ...], placed: Loads) -> Placement:
    open_ = [device for device in devices if not placed.is_taken(device) and placed.count(device) < students]
    if not open_:
        return Full("All GPUs are in use.")
    return _granted([min(open_, key=placed.count)])


def _granted(devices: list[Device]) -> Granted:
    return Granted(tuple(device.name for device in devices), tuple(device.identity for device in devices))


def mistakes(gpu: Gpu, inventory: Inventory) -> tuple[str, ...]:
    """What the operator has to mend: settings that this machine cannot keep, files that cannot be read."""
    if gpu.policy == "none":
        return ()
    said = list(inventory.problems)
    places = ", ".join(map(str, gpu.cdi_dirs))
    if not inventory.devices:
        said.append(
            f'gpu.policy is "{gpu.policy}", and no specification in {places} names a GPU: students start without one. '
            "Load the driver, then write one (NVIDIA: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml)"
        )
    there = ", ".join(device.label for device in inventory.devices) or "none"
    said += [
        f"gpu.devices: {name} does not exist; this machine has {there}"
        for name in gpu.devices
        if qualified(name) not in inventory.names
    ]
    count = len(pool(gpu, inventory))
    if gpu.policy == "exclusive" and gpu.per_student > count and inventory.devices:
        said.append(
            f"gpu.perStudent is {gpu.per_student}, and GPUs to hand out: {count}. Students start without one. "
            f"Write perStudent = {count or 1}" + (" or less" if count > 1 else "")
        )
    return tuple(said)
