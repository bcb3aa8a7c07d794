"""Texts about GPUs for students: the queue's status, the devices, and the notes of the start page."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from classroom.db.models import utc_now
from classroom.gpus.allocation import Busy, device_pool, leased_identities
from classroom.gpus.telemetry.sample import cards_by_device
from classroom.units import format_bytes, format_duration, format_percent

if TYPE_CHECKING:
    from classroom.gpus.reservations.policy import Reservation
    from classroom.gpus.snapshot import GpuSnapshot

_SOON = timedelta(hours=12)

WITHOUT_GPU = "You can start without a GPU. Your code then runs on the CPU."


def local_time(moment: datetime, when: datetime) -> str:
    """Return a UTC time in the zone of this machine, with the day if it is not that of `when`: ``15:30``."""
    local, today = (utc.replace(tzinfo=UTC).astimezone() for utc in (moment, when))
    day = "" if local.date() == today.date() else f"{local:%a} {local.day} {local:%b} "
    return f"{day}{local:%H:%M}{'' if local.utcoffset() else ' UTC'}"


def describe_reservation(reservation: Reservation, when: datetime, *, own: bool = False) -> str:
    """Return a reservation as a sentence; `own` if it is for the reader."""
    gpus = "1 GPU is" if reservation.count == 1 else f"{reservation.count} GPUs are"
    begins = "" if reservation.holds(when) else f"from {local_time(reservation.begins, when)} "
    return f"{gpus} reserved{' for you' if own else ''} {begins}until {local_time(reservation.ends, when)}."


def queue_notes(snapshot: GpuSnapshot, student: str, when: datetime | None = None) -> list[str]:
    """Return the order of the queue, if GPU time decides it, and the reservations of the next hours."""
    when = when or utc_now()
    notes = []
    if snapshot.used is not None:
        used = format_duration(snapshot.used.get(student, 0.0))
        notes.append(f"Students with the least GPU time this week go first. Yours: {used}.")
    # Reservations of devices that the student cannot use anyway are left out.
    usable = {device.identity for device in device_pool(snapshot.gpu, snapshot.inventory)}
    for reservation in snapshot.reservations:
        own = student in reservation.members
        is_soon = reservation.begins < when + _SOON and when < reservation.ends
        if is_soon and (own or any(device.identity in usable for device in snapshot.pools(reservation.group))):
            notes.append(describe_reservation(reservation, when, own=own))
    return notes


def device_rows(snapshot: GpuSnapshot, student: str, now: float | None = None) -> list[dict[str, str]]:
    """Return each GPU with its model and memory, if known, and the ages of its leases. Students' names are left out."""
    now = time.time() if now is None else now
    since: dict[str, list[int]] = {}
    for lease in sorted(snapshot.leases, key=lambda lease: lease.since):
        for identity in leased_identities(snapshot.inventory, lease):
            since.setdefault(identity, []).append(lease.since)
    foreign = (claim.identities for claim in snapshot.claims if student not in claim.members)
    reserved = frozenset[str]().union(*foreign)
    cards = cards_by_device(snapshot.sample, snapshot.inventory.devices)
    rows = []
    for device in device_pool(snapshot.gpu, snapshot.inventory):
        if leases := since.get(device.identity):
            state = "in use for " + ", ".join(format_duration(now - begun) for begun in leases)
        elif device.identity in reserved:
            state = "reserved"
        else:
            state = "offered to the queue" if snapshot.queue else "free"
        name = f"GPU {device.label}"
        if card := cards.get(device.name):
            name += f", {card.name}"
            memory = f"{format_bytes(card.memory_used)} of {format_bytes(card.memory_total)} in use"
            busy = "" if card.use is None else f", busy {format_percent(card.use)} of the time"
            state += f" ({memory}{busy})"
        rows.append({"name": name, "use": state})
    return rows


def queue_status(snapshot: GpuSnapshot, student: str) -> dict[str, object]:
    """Return a student's position for the waiting page. `again`: the seconds until its next request."""
    position = snapshot.position(student)
    if position is None:
        return {"waiting": False}
    is_turn = not isinstance(snapshot.allocate(student), Busy)
    return {
        "waiting": True,
        "turn": is_turn,
        "place": position + 1,
        "text": "It is your turn. Your server is starting." if is_turn else _position_text(snapshot, position),
        "devices": device_rows(snapshot, student),
        "notes": queue_notes(snapshot, student),
        # A hub serves two hundred pages that ask every few seconds; no page may miss its offer.
        "again": 1 if is_turn else min(30, 2 + position, snapshot.gpu.offer // 2),
    }


def start_form_values(snapshot: GpuSnapshot, student: str, reason: str) -> dict[str, object]:
    """Return the variables of the template `start_form.html`, for a start that finds no GPU for this `reason`."""
    position, offer = snapshot.position(student), snapshot.gpu.offer
    count, unit = (offer // 60, "minute") if offer % 60 == 0 else (offer, "second")
    return {
        "reason": reason,
        "devices": device_rows(snapshot, student),
        "notes": queue_notes(snapshot, student),
        "queue_length": len(snapshot.queue),
        "position": None if position is None else _position_text(snapshot, position),
        "offer": f"{count} {unit}{'' if count == 1 else 's'}",
        "without_gpu": WITHOUT_GPU,
    }


def _position_text(snapshot: GpuSnapshot, position: int) -> str:
    return f"You are #{position + 1} of {len(snapshot.queue)} in the queue."
