"""GPU allocation: a pure function of a student's rules, the machine's devices and the leases.

Students of different groups have different rules over the same devices. Two facts hold across all rules: a device of an
exclusive lease goes to nobody else, and a shared device never has more students than the strictest of their rules
allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from classroom.gpus.inventory import qualified_name
from classroom.settings.groups import gpu_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Gpu, Settings


@dataclass(frozen=True)
class Granted:
    """Start with these devices."""

    names: tuple[str, ...]
    """CDI names for the engine; empty with policy "none"."""
    identities: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoGpu:
    """Start without a GPU: waiting would not help."""

    reason: str
    """For the student."""


@dataclass(frozen=True)
class Busy:
    """Wait: other students have the GPUs."""

    reason: str
    """For the student."""


Allocation = Granted | NoGpu | Busy

_NONE = "No GPU is available to the class now."
_ALL_IN_USE = "All GPUs are in use."


@dataclass(frozen=True)
class DeviceLoad:
    """The number of students on each device, by the device's identity."""

    counts: Mapping[str, int]
    exclusive: frozenset[str] = frozenset()
    """Devices of exclusive leases."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """The most students on a device, by the strictest rule of those on it."""
    closed: frozenset[str] = frozenset()
    """Devices that are reserved for others, or that become free for an entry further ahead in the queue."""
    preferred: frozenset[str] = frozenset()
    """Devices that are reserved for the student: chosen before others of the same load."""

    def count(self, device: Device) -> int:
        """Return the number of leases of a device."""
        return self.counts[device.identity]

    def is_exclusive(self, device: Device) -> bool:
        """Return whether one of its leases is exclusive."""
        return device.identity in self.exclusive

    def admits(self, device: Device) -> bool:
        """Return whether the leases and the queue leave room for one more student on the device."""
        identity = device.identity
        limit = self.limits.get(identity)
        return (
            identity not in self.exclusive
            and identity not in self.closed
            and (limit is None or self.counts[identity] < limit)
        )

    def add(self, identities: Iterable[str], *, exclusive: bool, limit: int, times: int = 1) -> DeviceLoad:
        """Return the load with one more lease, or with several equal ones; `limit` as in `Lease.limit`."""
        on = [identity for identity in identities if identity in self.counts]
        limits = {identity: min(limit, self.limits.get(identity, limit)) for identity in on} if limit else {}
        return replace(
            self,
            counts={**self.counts, **{identity: self.counts[identity] + times for identity in on}},
            exclusive=self.exclusive | frozenset(on) if exclusive else self.exclusive,
            limits={**self.limits, **limits},
        )

    def close(self, identities: Iterable[str]) -> DeviceLoad:
        """Return the load with these devices closed to newcomers."""
        return replace(self, closed=self.closed.union(identities))

    def rank(self, device: Device) -> tuple[int, bool]:
        """Return the sort key of a device: the lowest is allocated first."""
        return self.counts[device.identity], device.identity not in self.preferred


def leased_identities(inventory: Inventory, lease: Lease) -> set[str]:
    """Return the identities of the machine's devices that a lease covers.

    A lease counts for every device that has its name or its identity. When names change their meaning under a running
    student, this marks one device too many as in use, and never gives one device to two students.
    """
    identities = inventory.identities
    on = {identities[name] for name in (*lease.names, *lease.identities) if name in identities}
    for name in lease.names:
        if name.endswith("=all"):
            on.update(device.identity for device in inventory.of_kind(name.removesuffix("=all")))
    return on


def device_load(inventory: Inventory, leases: Iterable[Lease]) -> DeviceLoad:
    """Return the load that leases put on the devices of the machine."""
    load = DeviceLoad(dict.fromkeys((device.identity for device in inventory.devices), 0))
    # Many leases are equal: a thousand leases name 64 devices.
    groups: dict[tuple[object, ...], list[Lease]] = {}
    for lease in leases:
        groups.setdefault((lease.names, lease.identities, lease.exclusive, lease.limit), []).append(lease)
    for first, *more in groups.values():
        identities = leased_identities(inventory, first)
        load = load.add(identities, exclusive=first.exclusive, limit=first.limit, times=1 + len(more))
    return load


@dataclass(frozen=True)
class Claim:
    """Devices that a reservation in force gives to its members only (`classroom.gpus.reservations.policy`)."""

    members: frozenset[str]
    """Names of the students who may use them."""
    identities: frozenset[str]
    clear: bool = False
    """Whether other students' servers on them are stopped."""


def allocate(
    gpu: Gpu, inventory: Inventory, leases: Iterable[Lease], student: str = "", claims: tuple[Claim, ...] = ()
) -> Allocation:
    """Return what a student with these rules gets, given everybody's leases."""
    if gpu.policy == "none":
        return Granted(())
    return capacity_of(inventory, leases, claims).allocate(gpu, student)


def student_limit(gpu: Gpu) -> int:
    """Return how many students may be on a device under these rules; 0 means that the rules set no limit."""
    return gpu.students_per_device if gpu.policy == "shared" else 0


@dataclass(frozen=True)
class Capacity:
    """The capacity of the machine that is left at one position of the queue."""

    inventory: Inventory
    load: DeviceLoad
    claims: tuple[Claim, ...] = ()

    def allocate(self, gpu: Gpu, student: str = "") -> Allocation:
        """Return what a student with these rules gets.

        The same input gives the same result. The devices with the fewest students come first, in the order in which
        people count them. A device of an exclusive lease stays exclusive after a change of policy.
        """
        load = self._visible_to(student)
        if gpu.policy == "none":
            return Granted(())
        if gpu.policy in {"all", "devices"}:
            listed = tuple(name for name in map(qualified_name, gpu.devices) if name in self.inventory.names)
            return _allocate_named(listed if gpu.devices else _all_names(self.inventory), self.inventory, load)
        devices = device_pool(gpu, self.inventory)
        if not devices:
            return NoGpu(_NONE)
        if gpu.policy == "exclusive":
            return _allocate_exclusive(gpu.per_student, devices, load)
        return _allocate_shared(gpu.students_per_device, devices, load)

    def after(self, gpu: Gpu, allocation: Allocation, student: str = "") -> Capacity:
        """Return the capacity that is left for the queue behind a student who got this allocation.

        A granted device belongs to the student even before the start. For a student who waits, as many devices as the
        rules give are closed to newcomers, the least loaded first. Otherwise a student who needs two GPUs would never
        see two free at once while others come for one.
        """
        if isinstance(allocation, NoGpu):
            return self
        if isinstance(allocation, Granted):
            exclusive = gpu.policy == "exclusive"
            load = self.load.add(allocation.identities, exclusive=exclusive, limit=student_limit(gpu))
            return replace(self, load=load)
        number = gpu.per_student if gpu.policy == "exclusive" else 1
        visible = self._visible_to(student)
        usable = [device for device in device_pool(gpu, self.inventory) if device.identity not in visible.closed]
        usable.sort(key=visible.rank)
        return replace(self, load=self.load.close(device.identity for device in usable[:number]))

    def _visible_to(self, student: str) -> DeviceLoad:
        """Return the load with devices that are reserved for others closed, and the student's own preferred."""
        if not self.claims:
            return self.load
        claimed = frozenset[str]().union(*(claim.identities for claim in self.claims if student in claim.members))
        foreign = frozenset[str]().union(*(claim.identities for claim in self.claims if student not in claim.members))
        return replace(self.load.close(foreign), preferred=claimed)


def capacity_of(inventory: Inventory, leases: Iterable[Lease], claims: tuple[Claim, ...] = ()) -> Capacity:
    """Return the capacity of the machine at the front of the queue."""
    return Capacity(inventory, device_load(inventory, leases), claims)


def device_pool(gpu: Gpu, inventory: Inventory) -> tuple[Device, ...]:
    """Return the devices that these rules allocate: all, or those that the settings name."""
    if not gpu.devices:
        return inventory.devices
    named = {inventory.by_name.get(qualified_name(name)) for name in gpu.devices}
    return tuple(device for device in inventory.devices if device in named)


def class_device_pool(rules: Iterable[Gpu], inventory: Inventory) -> tuple[Device, ...]:
    """Return the devices that at least one of the rules allocates."""
    devices = {device for gpu in rules if gpu.policy != "none" for device in device_pool(gpu, inventory)}
    return tuple(device for device in inventory.devices if device in devices)


def _all_names(inventory: Inventory) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for device in inventory.devices:
        every = device.name.partition("=")[0] + "=all"
        names[every if every in inventory.names else device.name] = None
    return tuple(names)


def _allocate_named(names: tuple[str, ...], inventory: Inventory, load: DeviceLoad) -> Allocation:
    """Return the named devices without those that other students' rules keep from this one."""
    if not names:
        return NoGpu(_NONE)
    devices = _named_devices(names, inventory)
    if all(load.admits(device) for device in inventory.devices):
        return Granted(names, tuple(device.identity for device in devices))
    devices = tuple(device for device in devices if load.admits(device))
    unknown = tuple(name for name in names if not name.endswith("=all") and name not in inventory.by_name)
    if not devices and not unknown:
        return Busy(_ALL_IN_USE)
    return Granted((*(device.name for device in devices), *unknown), tuple(device.identity for device in devices))


def _named_devices(names: tuple[str, ...], inventory: Inventory) -> tuple[Device, ...]:
    devices: dict[Device, None] = {}
    for name in names:
        if name.endswith("=all"):
            devices |= dict.fromkeys(inventory.of_kind(name.removesuffix("=all")))
        elif name in inventory.by_name:
            devices[inventory.by_name[name]] = None
    return tuple(devices)


def _allocate_exclusive(number: int, devices: tuple[Device, ...], load: DeviceLoad) -> Allocation:
    if number > len(devices):
        return NoGpu(f"The settings give each student {number} GPUs, but the class has only {len(devices)}.")
    free = [device for device in devices if load.admits(device) and not load.count(device)]
    if len(free) < number:
        count = f"Only {len(free)} of the {number} GPUs that each student gets"
        return Busy(f"{count} {'is' if len(free) == 1 else 'are'} free." if free else _ALL_IN_USE)
    return _granted(sorted(free, key=load.rank)[:number])


def _allocate_shared(students: int, devices: tuple[Device, ...], load: DeviceLoad) -> Allocation:
    admitting = [device for device in devices if load.admits(device) and load.count(device) < students]
    return _granted([min(admitting, key=load.rank)]) if admitting else Busy(_ALL_IN_USE)


def _granted(devices: list[Device]) -> Granted:
    return Granted(tuple(device.name for device in devices), tuple(device.identity for device in devices))


def has_queue(gpu: Gpu) -> bool:
    """Return whether students with these rules may have to wait in the queue."""
    return gpu.policy in {"exclusive", "shared"}


def may_queue(gpu: Gpu, settings: Settings) -> bool:
    """Return whether a student with these rules may find all GPUs in use, by students of any group."""
    return gpu.policy != "none" and any(map(has_queue, gpu_rules(settings).values()))


def gpu_problems(gpu: Gpu, inventory: Inventory, where: str = "gpu") -> tuple[str, ...]:
    """Return what the operator has to fix: settings that this machine cannot satisfy, files that cannot be read.

    Args:
        gpu: the rules.
        inventory: the machine.
        where: the path of the rules in the settings.
    """
    if gpu.policy == "none":
        return ()
    problems = list(inventory.problems)
    directories = ", ".join(map(str, gpu.cdi_dirs))
    if not inventory.devices:
        problems.append(
            f'{where}.policy is "{gpu.policy}", but no specification in {directories} names a GPU. Students start '
            "without one. Load the driver, then write a specification (NVIDIA: nvidia-ctk cdi generate "
            "--output=/etc/cdi/nvidia.yaml)"
        )
    labels = ", ".join(device.label for device in inventory.devices) or "none"
    problems += [
        f"{where}.devices: {name} does not exist; this machine has {labels}"
        for name in gpu.devices
        if qualified_name(name) not in inventory.names
    ]
    count = len(device_pool(gpu, inventory))
    if gpu.policy == "exclusive" and gpu.per_student > count and inventory.devices:
        problems.append(
            f"{where}.perStudent is {gpu.per_student}, but the number of GPUs for the class is {count}. Students start "
            f"without one. Write perStudent = {count or 1}" + (" or less" if count > 1 else "")
        )
    return tuple(problems)


def class_gpu_problems(rules: Mapping[str, Gpu], inventory: Inventory) -> tuple[str, ...]:
    """Return the problems of all rules, by their paths in the settings; a problem of several rules only once."""
    problems: dict[str, str] = {}
    for where, gpu in rules.items():
        for problem in gpu_problems(gpu, inventory, where):
            problems.setdefault(problem.replace(f"{where}.", ""), problem)
    return tuple(problems.values())
