"""GPU snapshot: the devices, leases, reservations and the queue at one moment, as one student finds them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from classroom.gpus.allocation import Allocation, Busy, Capacity, Claim, Granted, capacity_of
from classroom.gpus.queue import position_in
from classroom.gpus.reservations.policy import Reservation, claims_of
from classroom.gpus.telemetry.sample import read_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease
    from classroom.gpus.queue import QueueEntry
    from classroom.gpus.reservations.policy import Pools
    from classroom.gpus.telemetry.sample import Sample
    from classroom.settings.models import Gpu


@dataclass(frozen=True)
class GpuSnapshot:
    """The state by which `classroom.gpus.scheduler.GpuScheduler` decides."""

    gpu: Gpu
    """The rules for the student."""
    inventory: Inventory
    leases: tuple[Lease, ...]
    queue: tuple[QueueEntry, ...] = ()
    others: Mapping[str, Gpu] = field(default_factory=dict)
    """The rules for students in the queue, where they differ."""
    reservations: tuple[Reservation, ...] = ()
    """Current and future reservations."""
    claims: tuple[Claim, ...] = ()
    """The devices of the reservations in force."""
    in_force: tuple[Reservation, ...] = ()
    """The reservations that hold devices now; they do so a while before they begin."""
    pools: Pools = lambda _group: ()
    """Gives the devices that a group can reserve."""
    used: Mapping[str, float] | None = None
    """Recent GPU time in seconds by student; None where the order of the queue does not depend on it."""
    sample: Sample | None = None
    """The collector's last sample, if it was read (`with_sample`) and is fresh."""

    @cached_property
    def _capacities(self) -> tuple[Capacity, ...]:
        """Return the capacity at each position of the queue, and last the capacity behind it."""
        capacities = [capacity_of(self.inventory, self.leases, self.claims)]
        for entry in self.queue:
            gpu, capacity = self.rules(entry.name), capacities[-1]
            capacities.append(capacity.after(gpu, capacity.allocate(gpu, entry.name), entry.name))
        return tuple(capacities)

    def capacity_with(self, leases: Sequence[Lease]) -> Capacity:
        """Return the capacity of the machine if these were the leases."""
        return capacity_of(self.inventory, leases, claims_of(self.pools, self.inventory, leases, self.in_force))

    def rules(self, student: str) -> Gpu:
        """Return the rules for a student in the queue."""
        return self.others.get(student, self.gpu)

    def position(self, student: str) -> int | None:
        """Return the number of entries ahead of a student; None if the student is not in the queue."""
        return position_in(self.queue, student)

    def allocate(self, student: str) -> Allocation:
        """Return what the student gets now. Entries further ahead get their GPUs first, even before they start."""
        gpu, first = self.rules(student), self._capacities[0]
        allocation = first.allocate(gpu, student)
        if isinstance(allocation, Busy) and isinstance(replace(first, claims=()).allocate(gpu), Granted):
            return Busy("All GPUs are in use or reserved.")
        if not isinstance(allocation, Granted):
            return allocation
        position = self.position(student)
        allocation = self._capacities[-1 if position is None else position].allocate(gpu, student)
        if isinstance(allocation, Busy):
            return Busy("All GPUs are in use or offered to students in the queue.")
        return allocation

    async def with_sample(self) -> GpuSnapshot:
        """Return the snapshot with the collector's last sample, for pages and the controller; a start needs none."""
        return replace(self, sample=await asyncio.to_thread(read_sample, self.gpu.samples))
