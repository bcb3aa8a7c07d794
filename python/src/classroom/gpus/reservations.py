"""GPUs that are kept for a lecture: which devices those are is a pure function of reservations and leases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.gpus.placement import Claim, held

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease


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


def claims(
    devices: Sequence[Device], inventory: Inventory, leases: Iterable[Lease], reservations: Sequence[Reservation]
) -> tuple[Claim, ...]:
    """The devices that reservations in force keep, no device twice.

    A device that a member has already is one of them. Where others still have all the rest, theirs are kept too, those
    first that they have had longest: they go to nobody else once they are free.

    Args:
        devices: those that are handed out.
        inventory: the machine.
        leases: everybody's.
        reservations: those in force, the first served first.
    """
    found: list[Claim] = []
    left = list(devices)
    on = [(lease, held(inventory, lease)) for lease in leases] if reservations else []
    for each in reservations:
        ranks = _ranks(on, each.members)
        left.sort(key=lambda device: ranks.get(device.identity, (0, 0, 0)))
        identities = frozenset(device.identity for device in left[: each.count])
        found.append(Claim(each.members, identities, clear=each.clear))
        left = [device for device in devices if not any(device.identity in claim.identities for claim in found)]
    return tuple(found)


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


def check(wanted: Reservation, others: Iterable[Reservation], when: datetime, devices: int) -> None:
    """Refuse a reservation that cannot be kept.

    Args:
        wanted: it.
        others: those that are there.
        when: the time.
        devices: how many GPUs are handed out.

    Raises:
        ReservationError: it makes no sense, or others have reserved what there is.
    """
    if wanted.ends <= wanted.begins:
        raise ReservationError("It would end before it begins: give a later --to.")
    if wanted.ends <= when:
        raise ReservationError("That time is over: give a later --to.")
    if wanted.count > devices:
        raise ReservationError(f"GPUs to hand out: {devices}. Reserve so many or fewer.")
    beside = [each for each in others if each.begins < wanted.ends and wanted.begins < each.ends]
    # The sum is largest where one of them begins.
    moments = [wanted.begins, *(each.begins for each in beside if each.begins > wanted.begins)]
    most = max(sum(each.count for each in beside if each.holds(moment)) for moment in moments)
    if most + wanted.count > devices:
        said = ", ".join(f"number {each.id} ({each.count})" for each in beside)
        raise ReservationError(
            f"Reserved in that time already: {said}. GPUs to hand out: {devices}. Reserve fewer, or another time.", 409
        )
