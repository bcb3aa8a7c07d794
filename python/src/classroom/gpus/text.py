"""What students read about GPUs while they start."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from classroom.db.models import utc_now
from classroom.gpus.allocation import Busy, device_pool, leased_identities
from classroom.gpus.telemetry.sample import cards
from classroom.gpus.usage import DAYS
from classroom.units import format_bytes, format_duration, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.gpus.reservations.policy import Reservation
    from classroom.gpus.snapshot import GpuSnapshot

_SOON = timedelta(hours=12)

MAY_START_WITHOUT = "You may start without a GPU: everything else works, your code runs on the processor."


def clock(moment: datetime, when: datetime) -> str:
    """A time of the tables in the zone of this machine, with the day if it is not today's: ``15:30``."""
    there, here = (each.replace(tzinfo=UTC).astimezone() for each in (moment, when))
    day = "" if there.date() == here.date() else f"{there:%a} {there.day} {there:%b} "
    return f"{day}{there:%H:%M}{'' if there.utcoffset() else ' UTC'}"


def reservation(each: Reservation, when: datetime, *, mine: bool = False) -> str:
    """A reservation as a sentence."""
    gpus = "1 GPU is" if each.count == 1 else f"{each.count} GPUs are"
    begins = "" if each.holds(when) else f"from {clock(each.begins, when)} "
    whom = " for you" if mine else ""
    return f"{gpus} reserved{whom} {begins}until {clock(each.ends, when)}."


def notes(view: GpuSnapshot, student: str, when: datetime | None = None) -> list[str]:
    """What is reserved now and in the next hours, and by what the line goes if not by who came first."""
    when = when or utc_now()
    said = []
    if view.used is not None:
        mine = format_duration(view.used.get(student, 0.0))
        said = [f"Who has used GPUs least in the last {DAYS} days comes first, in whole hours. You have: {mine}."]
    soon = (each for each in view.reserved if each.begins < when + _SOON and when < each.ends)
    # Not those that are of others' devices.
    known = {device.identity for device in device_pool(view.gpu, view.inventory)}
    return said + [
        reservation(each, when, mine=student in each.members)
        for each in soon
        if student in each.members or any(device.identity in known for device in view.pools(each.group))
    ]


def devices(view: GpuSnapshot, student: str, now: float | None = None) -> list[dict[str, str]]:
    """Each GPU, its model and memory where they are known, and for how long others have had it.

    Nobody is named: who works is not everyone's business.
    """
    now = time.time() if now is None else now
    since: dict[str, list[int]] = {}
    for lease in sorted(view.leases, key=lambda lease: lease.since):
        for identity in leased_identities(view.inventory, lease):
            since.setdefault(identity, []).append(lease.since)
    reserved = frozenset[str]().union(*(each.identities for each in view.claims if student not in each.members))
    known = cards(view.sample, view.inventory.devices)
    rows = []
    for device in device_pool(view.gpu, view.inventory):
        mine = since.get(device.identity, [])
        free = "kept for those in line" if view.queue else "free"
        free = "reserved" if device.identity in reserved else free
        shown = "in use for " + ", ".join(format_duration(now - each) for each in mine) if mine else free
        name = f"GPU {device.label}"
        if card := known.get(device.name):
            name += f", {card.name}"
            memory = f"{format_bytes(card.memory_used)} of {format_bytes(card.memory_total)} in use"
            busy = "" if card.use is None else f", busy {format_percent(card.use)} of the time"
            shown += f" ({memory}{busy})"
        rows.append({"name": name, "use": shown})
    return rows


def standing(view: GpuSnapshot, student: str) -> dict[str, object]:
    """Where a student stands, for the page that waits. `again`: when to ask next, in seconds."""
    place = view.place(student)
    if place is None:
        return {"waiting": False}
    turn = not isinstance(view.answer(student), Busy)
    return {
        "waiting": True,
        "turn": turn,
        "place": place + 1,
        "text": "It is your turn: your server starts." if turn else _place(view, place),
        "devices": devices(view, student),
        "notes": notes(view, student),
        # Two hundred who ask every few seconds are all that a hub can do; an offer must not pass by unseen.
        "again": 1 if turn else min(30, 2 + place, view.gpu.offer // 2),
    }


def _place(view: GpuSnapshot, place: int) -> str:
    return f"You are number {place + 1} of {len(view.queue)} in line."


def start_page(view: GpuSnapshot, student: str, reason: str, urls: Mapping[str, str]) -> str:
    """The start page's form when there is no GPU for the student now.

    Args:
        view: the GPUs.
        student: who starts.
        reason: why there is none.
        urls: of the line and of this page (`gpu-line`, `spawn`).
    """
    rows = "".join(
        f"<tr><td>{escape(row['name'])}</td><td>{escape(row['use'])}</td></tr>" for row in devices(view, student)
    )
    table = f'<table class="table gpu-list"><tbody data-line-devices>{rows}</tbody></table>'
    said = "".join(f"<li>{escape(note)}</li>" for note in notes(view, student))
    table += f'<ul class="list-unstyled" data-line-notes>{said}</ul>'
    without = (
        '<button type="submit" name="gpu" value="no" class="btn btn-outline-secondary">Start without a GPU</button>'
    )
    send = f'type="submit" formaction="{escape(urls["gpu-line"])}" formenctype="application/x-www-form-urlencoded"'
    place = view.place(student)
    if place is None:
        others = f" Before you: {len(view.queue)}." if view.queue else ""
        return f"""<h1 class="h3">{escape(reason)}</h1>
{table}
<p>You may wait in line: when a GPU is yours, your server starts by itself.{others} {escape(MAY_START_WITHOUT)}</p>
<p><button {send} name="action" value="join" class="btn btn-jupyter">Wait in line</button> {without}</p>"""
    kept = format_duration(view.gpu.offer) if view.gpu.offer >= 60 else f"{view.gpu.offer} s"
    return f"""<div data-line="{escape(urls["gpu-line"])}" data-start="{escape(urls["spawn"])}">
<h1 class="h3">Waiting for a GPU</h1>
<p class="lead" data-line-text role="status" aria-live="polite">{escape(_place(view, place))}</p></div>
{table}
<p>When it is your turn your server starts by itself, and this page goes to it: leave it open. If it is closed then,
come back within {escape(kept)}, or the GPU passes on to who waits next. {escape(MAY_START_WITHOUT)}</p>
<p><button {send} name="action" value="leave" class="btn btn-outline-danger">Leave the line</button> {without}</p>
<noscript><p>Load this page again now and then to see your place.</p></noscript>"""
