"""GPUs that are kept for a lecture: which devices those are is a pure function of reservations and leases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.gpus.allocation import Claim, device_pool, leased_identities
from classroom.settings.groups import gpu_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Settings

    Pools = Callable[[str], Sequence[Device]]
    """The devices that reservations for the group of this name are of; those for the instructors have no name."""


class ReservationError(ClassroomError):
    """A sentence for whoever wants to reserve, with the HTTP status that goes with it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reservation:
    """Some of the GPUs, for some of the people, for a while. Times are UTC without a zone, as in the tables."""

    count: int
    """GPUs."""
    begins: datetime
    ends: datetime
    group: str = ""
    """Whose members may have them; empty: the instructors."""
    members: frozenset[str] = frozenset()
    """Who these are."""
    id: int = 0
    made_by: str = ""
    clear: bool = False
    """Others' servers are stopped for it when it begins."""

    def holds(self, when: datetime, lead: timedelta = timedelta()) -> bool:
        """Whether the GPUs are kept at this time, or so long before."""
        return self.begins - lead <= when < self.ends


def device_pools(settings: Settings, inventory: Inventory) -> Pools:
    """The devices that the members of a group may have by its own rules, or else those that everyone may have."""
    rules = gpu_rules(settings)

    def found(group: str) -> Sequence[Device]:
        own = rules.get(f"groups.{group}.gpu")
        if own is None:
            return device_pool(settings.gpu, inventory)
        return () if own.policy == "none" else device_pool(own, inventory)

    return found


def claims(
    pools: Pools, inventory: Inventory, leases: Iterable[Lease], reservations: Sequence[Reservation]
) -> tuple[Claim, ...]:
    """The devices that reservations in force keep, no device twice.

    A device that a member has already is one of them. Where others still have all the rest, theirs are kept too, those
    first that they have had longest: they go to nobody else once they are free.

    Args:
        pools: of which devices each is.
        inventory: the machine.
        leases: everybody's.
        reservations: those in force, the first served first.
    """
    on = [(lease, leased_identities(inventory, lease)) for lease in leases] if reservations else []
    given = match_devices([_wish(each, pools(each.group), on) for each in reservations])
    return tuple(Claim(each.members, mine, clear=each.clear) for each, mine in zip(reservations, given, strict=True))


def match_devices(wishes: Sequence[tuple[int, Sequence[str]]]) -> tuple[frozenset[str], ...]:
    """Give no device to two, and to as many as can be: who could have another as well leaves theirs to who could not.

    That is a matching in a bipartite graph, made larger along augmenting paths. Who comes first loses the choice by it,
    and nothing else.

    Args:
        wishes: how many devices each wants, and which will do, by identity: those first that are to be taken first.
    """
    owner: dict[str, int] = {}

    def give(one: int, tried: set[str]) -> bool:
        fit = [identity for identity in wishes[one][1] if identity not in tried]
        for identity in fit:
            if identity not in owner:
                owner[identity] = one
                return True
        for identity in fit:
            if identity not in tried:
                tried.add(identity)
                if give(owner[identity], tried):
                    owner[identity] = one
                    return True
        return False

    for one, (count, _) in enumerate(wishes):
        for _ in range(count):
            if not give(one, set()):
                break
    return tuple(frozenset(each for each, whose in owner.items() if whose == one) for one in range(len(wishes)))


def _wish(each: Reservation, devices: Iterable[Device], on: Iterable[tuple[Lease, set[str]]]) -> tuple[int, list[str]]:
    ranks = _ranks(on, each.members)
    fit = (device.identity for device in devices)
    return each.count, sorted(fit, key=lambda identity: ranks.get(identity, (0, 0, 0)))


def _ranks(on: Iterable[tuple[Lease, set[str]]], members: frozenset[str]) -> dict[str, tuple[int, int, int]]:
    """By device: how many others are on it, how many members (negative), since when the first of the others."""
    ranks: dict[str, tuple[int, int, int]] = {}
    for lease, identities in on:
        for identity in identities:
            others, mine, since = ranks.get(identity, (0, 0, 0))
            if lease.holder in members:
                ranks[identity] = others, mine - 1, since
            else:
                ranks[identity] = others + 1, mine, min(since, lease.since) if others else lease.since
    return ranks


def check(wanted: Reservation, others: Iterable[Reservation], when: datetime, pools: Pools) -> None:
    """Refuse a reservation that cannot be kept.

    Args:
        wanted: it.
        others: those that are there.
        when: the time.
        pools: of which devices each is.

    Raises:
        ReservationError: it makes no sense, or others have reserved what there is.
    """
    if wanted.ends <= wanted.begins:
        raise ReservationError("It would end before it begins: give a later --to.")
    if wanted.ends <= when:
        raise ReservationError("That time is over: give a later --to.")
    whom = f" to group {wanted.group}" if wanted.group else ""
    devices = len(pools(wanted.group))
    if not devices:
        raise ReservationError(f"No GPU is handed out{whom}. See: classroom gpus")
    if wanted.count > devices:
        raise ReservationError(f"GPUs to hand out{whom}: {devices}. Reserve so many or fewer.")
    beside = [each for each in others if each.begins < wanted.ends and wanted.begins < each.ends]
    wishes = {each: (each.count, [device.identity for device in pools(each.group)]) for each in (*beside, wanted)}
    # The least is left where one of them begins.
    moments = [wanted.begins, *(each.begins for each in beside if each.begins > wanted.begins)]
    at_once = ([wishes[each] for each in beside if each.holds(moment)] for moment in moments)
    if any(len(match_devices([*held, wishes[wanted]])[-1]) < wanted.count for held in at_once):
        said = ", ".join(f"number {each.id} ({each.count})" for each in beside)
        there = f"GPUs to hand out{whom}: {devices}."
        raise ReservationError(f"Reserved in that time already: {said}. {there} Reserve fewer, or another time.", 409)
