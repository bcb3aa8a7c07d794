"""Whose lease ends because others wait: a pure function of leases, line and reservations, and the notice before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from classroom.gpus.allocation import Capacity, Claim, Granted, leased_identities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease
    from classroom.gpus.queue import QueueEntry
    from classroom.settings.models import Gpu

_LOOKED_AT = 64
"""Places of the line: to see who would be served takes time with each."""


class LeaseKey(NamedTuple):
    """A lease: a container of that name may come again."""

    container: str
    since: int


def lease_key(lease: Lease) -> LeaseKey:
    """The lease's."""
    return LeaseKey(lease.container, lease.since)


class LeaseAges:
    """How old leases are, by the clock that only goes forward: one that jumps makes none too old."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._begun: dict[LeaseKey, float] = {}

    def look(self, leases: Iterable[Lease], moment: float, now: float) -> dict[LeaseKey, float]:
        """The seconds that each has lasted.

        Args:
            leases: those that there are.
            moment: of `time.monotonic`.
            now: of `time.time`; how long a lease had lasted when it was first seen is known by this clock alone.
        """
        begun = {
            lease_key(lease): self._begun.get(lease_key(lease), moment - max(0.0, now - lease.since))
            for lease in leases
        }
        self._begun = begun
        return {each: moment - start for each, start in begun.items()}


@dataclass(frozen=True)
class Demand:
    """Who waits, and what they may have."""

    line: Sequence[QueueEntry]
    rules: Callable[[str], Gpu]
    room: Callable[[Sequence[Lease]], Capacity]
    """The machine with these leases."""

    def served(self, leases: Sequence[Lease]) -> int:
        """How many of those in line would have a GPU."""
        room, count = self.room(leases), 0
        for each in self.line[:_LOOKED_AT]:
            gpu = self.rules(each.name)
            answer = room.answer(gpu, each.name)
            count += isinstance(answer, Granted)
            room = room.after(gpu, answer, each.name)
        return count


def leases_to_preempt(
    overdue: Sequence[Lease], leases: Sequence[Lease], wishes: Demand, inventory: Inventory, claims: Iterable[Claim]
) -> tuple[Lease, ...]:
    """Those of the overdue leases that others need, and no more of them than help.

    Args:
        overdue: those that have lasted as long as the settings promise; who is to go first comes first.
        leases: all that there are, these among them.
        wishes: of those in line.
        inventory: the machine.
        claims: of lectures that have begun: what others have there is needed, too.
    """
    kept = tuple(claims)
    lecture = [lease for lease in overdue if _in_the_way(lease, inventory, kept)]
    chosen = [lease for lease in overdue if lease not in lecture]
    if not chosen:
        return tuple(lecture)
    rest = [lease for lease in leases if lease not in lecture]

    def served(without: Sequence[Lease]) -> int:
        return wishes.served([lease for lease in rest if lease not in without])

    # More that is free may serve fewer: it is kept for who comes before them and needs still more.
    best, before = served(chosen), 0
    while before != len(chosen):
        before = len(chosen)
        for lease in reversed(tuple(chosen)):
            fewer = [other for other in chosen if other is not lease]
            if (count := served(fewer)) >= best:
                chosen, best = fewer, count
    if best <= served(()):
        chosen = []
    return tuple(lease for lease in overdue if lease in lecture or lease in chosen)


def leases_to_clear(leases: Iterable[Lease], inventory: Inventory, claims: Iterable[Claim]) -> tuple[Lease, ...]:
    """Those that end for a lecture however short they have lasted."""
    kept = tuple(each for each in claims if each.clear)
    return tuple(lease for lease in leases if _in_the_way(lease, inventory, kept))


def _in_the_way(lease: Lease, inventory: Inventory, claims: Sequence[Claim]) -> bool:
    foreign = [each for each in claims if lease.holder not in each.members]
    return bool(foreign) and any(leased_identities(inventory, lease) & each.identities for each in foreign)


@dataclass(frozen=True)
class PreemptionStep:
    """What is to be done about leases now."""

    tell: tuple[Lease, ...] = ()
    withdraw: tuple[Lease, ...] = ()
    stop: tuple[Lease, ...] = ()


class PendingNotices:
    """Who has been told, and until when."""

    def __init__(self) -> None:
        """Nobody has been told."""
        self._told: dict[LeaseKey, tuple[Lease, float]] = {}

    def first_to_go(self, ages: Mapping[LeaseKey, float]) -> Callable[[Lease], tuple[bool, float]]:
        """By what overdue leases are sorted: who has been told already goes first, then who has had theirs longest."""
        return lambda lease: (lease_key(lease) not in self._told, -ages[lease_key(lease)])

    def review(self, needed: Mapping[Lease, float], moment: float) -> PreemptionStep:
        """Compare those that are to end with those that have been told.

        Args:
            needed: those that are to end, each with the seconds between the word and the deed.
            moment: of `time.monotonic`.
        """
        wanted = {lease_key(lease): lease for lease in needed}
        withdrawn = tuple(lease for each, (lease, _) in self._told.items() if each not in wanted)
        told = tuple(lease for each, lease in wanted.items() if each not in self._told)
        self._told = {each: self._told.get(each, (lease, moment + needed[lease])) for each, lease in wanted.items()}
        due = tuple(lease for lease, ends in self._told.values() if ends <= moment)
        return PreemptionStep(told, withdrawn, due)
