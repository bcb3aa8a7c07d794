"""Which devices a student gets: a pure function of that student's rules, the machine's devices and the leases.

Students of different groups have different rules over the same devices. What holds across all of them: a device that
somebody has alone is given to nobody else, and on a shared one there are never more than the strictest of those who
share it was promised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from classroom.gpus.inventory import qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Gpu


@dataclass(frozen=True)
class Granted:
    """Start with these."""

    names: tuple[str, ...]
    """What the engine is asked for; empty with policy "none"."""
    identities: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoGpu:
    """Start without a GPU: waiting would not help."""

    reason: str
    """For the student."""


@dataclass(frozen=True)
class Busy:
    """Others have what there is."""

    reason: str
    """For the student."""


Allocation = Granted | NoGpu | Busy

_NONE = "This machine offers no GPU to the class now."


@dataclass(frozen=True)
class DeviceLoad:
    """How many are on which device, by the devices' identities."""

    counts: Mapping[str, int]
    taken: frozenset[str] = frozenset()
    """Those that somebody has alone."""
    promised: Mapping[str, int] = field(default_factory=dict)
    """How many at most may be on a device, as the strictest of those on it was promised."""
    kept: frozenset[str] = frozenset()
    """Those that are to become free for somebody who has waited longer, or reserved for others."""
    preferred: frozenset[str] = frozenset()
    """Those that are reserved for the student: taken before others that are as free."""

    def count(self, device: Device) -> int:
        """How many leases a device has."""
        return self.counts[device.identity]

    def is_taken(self, device: Device) -> bool:
        """Whether one of them is exclusive."""
        return device.identity in self.taken

    def admits(self, device: Device) -> bool:
        """Whether one more may come on the device, as far as those on it and those in line are concerned."""
        identity = device.identity
        promised = self.promised.get(identity)
        return (
            identity not in self.taken
            and identity not in self.kept
            and (promised is None or self.counts[identity] < promised)
        )

    def add(self, identities: Iterable[str], *, exclusive: bool, limit: int, times: int = 1) -> DeviceLoad:
        """One more lease, or several alike; `limit` as in `Lease.limit`."""
        on = [identity for identity in identities if identity in self.counts]
        promised = {identity: min(limit, self.promised.get(identity, limit)) for identity in on} if limit else {}
        return replace(
            self,
            counts={**self.counts, **{identity: self.counts[identity] + times for identity in on}},
            taken=self.taken | frozenset(on) if exclusive else self.taken,
            promised={**self.promised, **promised},
        )

    def keep(self, identities: Iterable[str]) -> DeviceLoad:
        """Let nobody else come on these."""
        return replace(self, kept=self.kept.union(identities))

    def rank(self, device: Device) -> tuple[int, bool]:
        """The lower, the sooner it is given."""
        return self.counts[device.identity], device.identity not in self.preferred


def leased_identities(inventory: Inventory, lease: Lease) -> set[str]:
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


def device_load(inventory: Inventory, leases: Iterable[Lease]) -> DeviceLoad:
    """Put leases on the devices of the machine."""
    placed = DeviceLoad(dict.fromkeys((device.identity for device in inventory.devices), 0))
    # Many hold the same: a thousand leases name 64 devices.
    groups: dict[tuple[object, ...], list[Lease]] = {}
    for lease in leases:
        groups.setdefault((lease.names, lease.identities, lease.exclusive, lease.limit), []).append(lease)
    for same in groups.values():
        on = leased_identities(inventory, same[0])
        placed = placed.add(on, exclusive=same[0].exclusive, limit=same[0].limit, times=len(same))
    return placed


@dataclass(frozen=True)
class Claim:
    """Devices that only some may be put on (`classroom.gpus.reservations.policy`)."""

    members: frozenset[str]
    """Names of those who may."""
    identities: frozenset[str]
    clear: bool = False
    """Others who are on them are to go."""


def allocate(
    gpu: Gpu, inventory: Inventory, leases: Iterable[Lease], student: str = "", claims: tuple[Claim, ...] = ()
) -> Allocation:
    """Decide for one student who has these rules; the leases are those of everybody."""
    if gpu.policy == "none":
        return Granted(())
    return Capacity(inventory, device_load(inventory, leases), claims).answer(gpu, student)


def _allocate_on(gpu: Gpu, inventory: Inventory, placed: DeviceLoad) -> Allocation:
    """Decide for one student.

    The same input gives the same answer. Devices are taken in the order in which people count them, those with the
    fewest students first; what someone holds alone stays theirs even after a change of policy.
    """
    if gpu.policy == "none":
        return Granted(())
    if gpu.policy in {"all", "devices"}:
        names = tuple(name for name in map(qualified, gpu.devices) if name in inventory.names)
        return _for_everyone(names if gpu.devices else _all_names(inventory), inventory, placed)
    devices = device_pool(gpu, inventory)
    if not devices:
        return NoGpu(_NONE)
    if gpu.policy == "exclusive":
        return _exclusive(gpu.per_student, devices, placed)
    return _shared(gpu.students_per_device, devices, placed)


def student_limit(gpu: Gpu) -> int:
    """How many, at most, may be on the devices of a student with these rules; 0 means that none was promised."""
    return gpu.students_per_device if gpu.policy == "shared" else 0


@dataclass(frozen=True)
class Capacity:
    """The machine as the next of those in line finds it."""

    inventory: Inventory
    placed: DeviceLoad
    claims: tuple[Claim, ...] = ()

    def answer(self, gpu: Gpu, student: str = "") -> Allocation:
        """Decide for a student with these rules."""
        return _allocate_on(gpu, self.inventory, self._open_to(student))

    def after(self, gpu: Gpu, answer: Allocation, student: str = "") -> Capacity:
        """What is left for those behind a student who has had this answer.

        What was granted is the student's, even before the start. For one who waits, as many devices as are wanted are
        kept free of newcomers, those first that have the fewest students: without it a student who wants two GPUs would
        never see two free at once while others come for one.
        """
        if isinstance(answer, NoGpu):
            return self
        if isinstance(answer, Granted):
            exclusive = gpu.policy == "exclusive"
            return replace(
                self, placed=self.placed.add(answer.identities, exclusive=exclusive, limit=student_limit(gpu))
            )
        wanted = gpu.per_student if gpu.policy == "exclusive" else 1
        seen = self._open_to(student)
        usable = [device for device in device_pool(gpu, self.inventory) if device.identity not in seen.kept]
        usable.sort(key=seen.rank)
        return replace(self, placed=self.placed.keep(device.identity for device in usable[:wanted]))

    def _open_to(self, student: str) -> DeviceLoad:
        """The devices as this student finds them: what is reserved for others is not to be had."""
        if not self.claims:
            return self.placed
        mine = frozenset[str]().union(*(each.identities for each in self.claims if student in each.members))
        others = frozenset[str]().union(*(each.identities for each in self.claims if student not in each.members))
        return replace(self.placed.keep(others), preferred=mine)


def capacity_of(inventory: Inventory, leases: Iterable[Lease], claims: tuple[Claim, ...] = ()) -> Capacity:
    """The machine as the first in line finds it."""
    return Capacity(inventory, device_load(inventory, leases), claims)


def device_pool(gpu: Gpu, inventory: Inventory) -> tuple[Device, ...]:
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


def _for_everyone(names: tuple[str, ...], inventory: Inventory, placed: DeviceLoad) -> Allocation:
    """The names, less what others were promised to have alone, or with a few."""
    if not names:
        return NoGpu(_NONE)
    if all(placed.admits(device) for device in inventory.devices):
        devices = _meant(names, inventory)
        return Granted(names, tuple(device.identity for device in devices))
    devices = tuple(device for device in _meant(names, inventory) if placed.admits(device))
    others = tuple(name for name in names if not name.endswith("=all") and name not in inventory.by_name)
    if not devices and not others:
        return Busy("All GPUs are in use.")
    return Granted((*(device.name for device in devices), *others), tuple(device.identity for device in devices))


def _meant(names: tuple[str, ...], inventory: Inventory) -> tuple[Device, ...]:
    found: dict[Device, None] = {}
    for name in names:
        if name.endswith("=all"):
            found |= dict.fromkeys(inventory.of_kind(name.removesuffix("=all")))
        elif name in inventory.by_name:
            found[inventory.by_name[name]] = None
    return tuple(found)


def _exclusive(wanted: int, devices: tuple[Device, ...], placed: DeviceLoad) -> Allocation:
    if wanted > len(devices):
        return NoGpu(f"Each student is meant to have {wanted} GPUs, and this machine has {len(devices)}.")
    free = [device for device in devices if placed.admits(device) and not placed.count(device)]
    if len(free) < wanted:
        return Busy(
            "All GPUs are in use."
            if not free
            else f"Only {len(free)} of the {wanted} GPUs that a student gets {'is' if len(free) == 1 else 'are'} free."
        )
    return _granted(sorted(free, key=placed.rank)[:wanted])


def _shared(students: int, devices: tuple[Device, ...], placed: DeviceLoad) -> Allocation:
    open_ = [device for device in devices if placed.admits(device) and placed.count(device) < students]
    if not open_:
        return Busy("All GPUs are in use.")
    return _granted([min(open_, key=placed.rank)])


def _granted(devices: list[Device]) -> Granted:
    return Granted(tuple(device.name for device in devices), tuple(device.identity for device in devices))


def gpu_problems(gpu: Gpu, inventory: Inventory, where: str = "gpu") -> tuple[str, ...]:
    """What the operator has to mend: settings that this machine cannot keep, files that cannot be read.

    Args:
        gpu: the rules.
        inventory: the machine.
        where: the place of the rules in the settings.
    """
    if gpu.policy == "none":
        return ()
    said = list(inventory.problems)
    places = ", ".join(map(str, gpu.cdi_dirs))
    if not inventory.devices:
        said.append(
            f'{where}.policy is "{gpu.policy}", and no specification in {places} names a GPU: students start without '
            "one. Load the driver, then write one (NVIDIA: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml)"
        )
    there = ", ".join(device.label for device in inventory.devices) or "none"
    said += [
        f"{where}.devices: {name} does not exist; this machine has {there}"
        for name in gpu.devices
        if qualified(name) not in inventory.names
    ]
    count = len(device_pool(gpu, inventory))
    if gpu.policy == "exclusive" and gpu.per_student > count and inventory.devices:
        said.append(
            f"{where}.perStudent is {gpu.per_student}, and GPUs to hand out: {count}. Students start without one. "
            f"Write perStudent = {count or 1}" + (" or less" if count > 1 else "")
        )
    return tuple(said)


def class_gpu_problems(rules: Mapping[str, Gpu], inventory: Inventory) -> tuple[str, ...]:
    """The same of all rules for somebody, by their places in the settings; what is said of one is not said again."""
    said: dict[str, str] = {}
    for where, gpu in rules.items():
        for mistake in gpu_problems(gpu, inventory, where):
            said.setdefault(mistake.replace(f"{where}.", ""), mistake)
    return tuple(said.values())


def class_device_pool(rules: Iterable[Gpu], inventory: Inventory) -> tuple[Device, ...]:
    """The devices that somebody may have."""
    given = {device for gpu in rules if gpu.policy != "none" for device in device_pool(gpu, inventory)}
    return tuple(device for device in inventory.devices if device in given)
