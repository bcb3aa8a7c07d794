"""GPU reservations for lectures: a pure function from reservations and leases to the devices they hold."""

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
    """Gives the devices that a group can reserve, by its name; the instructors have the empty name."""


class ReservationError(ClassroomError):
    """A reservation was refused: the reason for its author, with the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reservation:
    """A number of GPUs for a group and a time. Times are UTC without a zone, as in the tables."""

    count: int
    """GPUs."""
    begins: datetime
    ends: datetime
    group: str = ""
    """The group that may use them; empty for the instructors."""
    members: frozenset[str] = frozenset()
    """Names of the group's members."""
    id: int = 0
    made_by: str = ""
    clear: bool = False
    """Whether other students' servers on these GPUs are stopped when it begins."""

    def holds(self, when: datetime, lead: timedelta = timedelta()) -> bool:
        """Return whether the GPUs are reserved at this time; they are so from `lead` before the beginning."""
        return self.begins - lead <= when < self.ends


def device_pools(settings: Settings, inventory: Inventory) -> Pools:
    """Return the function that gives the devices of a group: by the group's own rules, or by the site's."""
    rules = gpu_rules(settings)

    def pool_of(group: str) -> Sequence[Device]:
        gpu = rules.get(f"groups.{group}.gpu")
        if gpu is None:
            return device_pool(settings.gpu, inventory)
        return () if gpu.policy == "none" else device_pool(gpu, inventory)

    return pool_of


def claims_of(
    pools: Pools, inventory: Inventory, leases: Iterable[Lease], reservations: Sequence[Reservation]
) -> tuple[Claim, ...]:
    """Return the devices that reservations in force hold, no device twice.

    They include the devices that members already have. Where other students still have all the rest, theirs are
    claimed, the oldest leases first: once free, these devices go to nobody else.

    Args:
        pools: gives the devices of each group.
        inventory: the machine.
        leases: everybody's.
        reservations: those in force; the first is served first.
    """
    on = [(lease, leased_identities(inventory, lease)) for lease in leases] if reservations else []
    matched = match_devices([_request(reservation, pools(reservation.group), on) for reservation in reservations])
    return tuple(
        Claim(reservation.members, identities, clear=reservation.clear)
        for reservation, identities in zip(reservations, matched, strict=True)
    )


def match_devices(requests: Sequence[tuple[int, Sequence[str]]]) -> tuple[frozenset[str], ...]:
    """Return the devices of each request: no device twice, and as many requests satisfied as possible.

    This is a matching in a bipartite graph, extended along augmenting paths. A later request may change which devices
    an earlier one gets, but not how many.

    Args:
        requests: the number of devices, and the identities that fit, in the order of preference.
    """
    owner: dict[str, int] = {}

    def assign(request: int, tried: set[str]) -> bool:
        fit = [identity for identity in requests[request][1] if identity not in tried]
        for identity in fit:
            if identity not in owner:
                owner[identity] = request
                return True
        for identity in fit:
            if identity not in tried:
                tried.add(identity)
                if assign(owner[identity], tried):
                    owner[identity] = request
                    return True
        return False

    for request, (count, _) in enumerate(requests):
        for _ in range(count):
            if not assign(request, set()):
                break
    return tuple(
        frozenset(identity for identity, by in owner.items() if by == request) for request in range(len(requests))
    )


def _request(
    reservation: Reservation, devices: Iterable[Device], on: Iterable[tuple[Lease, set[str]]]
) -> tuple[int, list[str]]:
    ranks = _ranks(on, reservation.members)
    fit = (device.identity for device in devices)
    return reservation.count, sorted(fit, key=lambda identity: ranks.get(identity, (0, 0, 0)))


def _ranks(on: Iterable[tuple[Lease, set[str]]], members: frozenset[str]) -> dict[str, tuple[int, int, int]]:
    """Return by device: the number of others, of members (negative), and the oldest lease of the others."""
    ranks: dict[str, tuple[int, int, int]] = {}
    for lease, identities in on:
        for identity in identities:
            others, own, since = ranks.get(identity, (0, 0, 0))
            if lease.holder in members:
                ranks[identity] = others, own - 1, since
            else:
                ranks[identity] = others + 1, own, min(since, lease.since) if others else lease.since
    return ranks


def check_reservation(reservation: Reservation, others: Iterable[Reservation], when: datetime, pools: Pools) -> None:
    """Refuse an impossible reservation.

    Args:
        reservation: the new one.
        others: existing ones.
        when: the time.
        pools: gives the devices of each group.

    Raises:
        ReservationError: its times or its number are impossible, or other reservations need the devices.
    """
    if reservation.ends <= reservation.begins:
        raise ReservationError("It would end before it begins. Give a later --to.")
    if reservation.ends <= when:
        raise ReservationError("That time is over. Give a later --to.")
    whom = f" for group {reservation.group}" if reservation.group else ""
    devices = len(pools(reservation.group))
    if not devices:
        raise ReservationError(f"No GPU can be reserved{whom}. See: classroom gpus")
    available = f"Only {devices} GPU{'' if devices == 1 else 's'} can be reserved{whom}"
    if reservation.count > devices:
        raise ReservationError(f"{available}.")
    overlapping = [other for other in others if other.begins < reservation.ends and reservation.begins < other.ends]
    requests = {
        other: (other.count, [device.identity for device in pools(other.group)])
        for other in (*overlapping, reservation)
    }
    # The fewest devices are left at a moment when a reservation begins.
    moments = [reservation.begins, *(other.begins for other in overlapping if other.begins > reservation.begins)]
    at_once = ([requests[other] for other in overlapping if other.holds(moment)] for moment in moments)
    if any(
        len(match_devices([*others_then, requests[reservation]])[-1]) < reservation.count for others_then in at_once
    ):
        numbers = ", ".join(f"number {other.id} ({other.count})" for other in overlapping)
        raise ReservationError(
            f"{available}, and others are reserved for that time: {numbers}. Reserve fewer, or choose another time.",
            409,
        )
