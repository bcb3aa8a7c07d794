"""GPU preemption: the leases that end because others wait, and the notice before it.

The choice is a pure function of leases, queue and reservations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.gpus.allocation import Capacity, Claim, Granted, leased_identities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease, LeaseKey
    from classroom.gpus.queue import QueueEntry
    from classroom.settings.models import Gpu

_MAX_COUNTED = 64
"""Entries of the queue: each takes time."""


class LeaseAges:
    """Ages of leases by the monotonic clock: a jump of the machine's clock makes no lease too old."""

    def __init__(self) -> None:
        """Start without leases."""
        self._begun: dict[LeaseKey, float] = {}

    def update(self, leases: Iterable[Lease], moment: float, now: float) -> dict[LeaseKey, float]:
        """Return the seconds that each lease has lasted.

        Args:
            leases: current ones.
            moment: of `time.monotonic`.
            now: of `time.time`, by which the age of a new lease is known.
        """
        self._begun = {lease.key: self._begun.get(lease.key, moment - max(0.0, now - lease.since)) for lease in leases}
        return {key: moment - begun for key, begun in self._begun.items()}


@dataclass(frozen=True)
class Demand:
    """Students who wait, and their rules."""

    queue: Sequence[QueueEntry]
    rules: Callable[[str], Gpu]
    capacity: Callable[[Sequence[Lease]], Capacity]
    """Gives the capacity of the machine with these leases."""

    def served(self, leases: Sequence[Lease]) -> int:
        """Return how many students in the queue would get a GPU if these were the leases."""
        capacity, count = self.capacity(leases), 0
        for entry in self.queue[:_MAX_COUNTED]:
            gpu = self.rules(entry.name)
            allocation = capacity.allocate(gpu, entry.name)
            count += isinstance(allocation, Granted)
            capacity = capacity.after(gpu, allocation, entry.name)
        return count


def leases_to_preempt(
    overdue: Sequence[Lease], leases: Sequence[Lease], demand: Demand, inventory: Inventory, claims: Iterable[Claim]
) -> tuple[Lease, ...]:
    """Return the overdue leases that others need, and no more of them than help.

    Args:
        overdue: leases that have lasted as long as the settings promise, in the order in which they should end.
        leases: all current ones, including these.
        demand: of the queue.
        inventory: the machine.
        claims: of lectures that have begun: they need their devices, too.
    """
    in_force = tuple(claims)
    claimed = [lease for lease in overdue if _is_claimed(lease, inventory, in_force)]
    chosen = [lease for lease in overdue if lease not in claimed]
    if not chosen:
        return tuple(claimed)
    remaining = [lease for lease in leases if lease not in claimed]

    def served(without: Sequence[Lease]) -> int:
        return demand.served([lease for lease in remaining if lease not in without])

    # More free devices may serve fewer students: they are closed for an entry ahead that needs still more.
    best, before = served(chosen), 0
    while before != len(chosen):
        before = len(chosen)
        for lease in reversed(tuple(chosen)):
            fewer = [other for other in chosen if other is not lease]
            if (count := served(fewer)) >= best:
                chosen, best = fewer, count
    if best <= served(()):
        chosen = []
    return tuple(lease for lease in overdue if lease in claimed or lease in chosen)


def leases_to_clear(leases: Iterable[Lease], inventory: Inventory, claims: Iterable[Claim]) -> tuple[Lease, ...]:
    """Return the leases that end for a lecture at any age."""
    clearing = tuple(claim for claim in claims if claim.clear)
    return tuple(lease for lease in leases if _is_claimed(lease, inventory, clearing))


def _is_claimed(lease: Lease, inventory: Inventory, claims: Sequence[Claim]) -> bool:
    """Return whether others have claimed a device of the lease."""
    foreign = [claim for claim in claims if lease.holder not in claim.members]
    return bool(foreign) and any(leased_identities(inventory, lease) & claim.identities for claim in foreign)


@dataclass(frozen=True)
class PreemptionStep:
    """Actions that are due now, by lease."""

    notify: tuple[Lease, ...] = ()
    withdraw: tuple[Lease, ...] = ()
    stop: tuple[Lease, ...] = ()


class PendingNotices:
    """Notices that have been given, with the end of each."""

    def __init__(self) -> None:
        """Start without notices."""
        self._pending: dict[LeaseKey, tuple[Lease, float]] = {}

    def order(self, ages: Mapping[LeaseKey, float]) -> Callable[[Lease], tuple[bool, float]]:
        """Return the sort key of overdue leases: those with a notice first, then the oldest."""
        return lambda lease: (lease.key not in self._pending, -ages[lease.key])

    def update(self, needed: Mapping[Lease, float], moment: float) -> PreemptionStep:
        """Return what is due, given the leases that should end.

        Args:
            needed: leases that should end, each with the seconds of its notice.
            moment: of `time.monotonic`.
        """
        by_key = {lease.key: lease for lease in needed}
        withdrawn = tuple(lease for key, (lease, _) in self._pending.items() if key not in by_key)
        new = tuple(lease for key, lease in by_key.items() if key not in self._pending)
        self._pending = {key: self._pending.get(key, (lease, moment + needed[lease])) for key, lease in by_key.items()}
        due = tuple(lease for lease, ends in self._pending.values() if ends <= moment)
        return PreemptionStep(new, withdrawn, due)
