"""GPU queue: first come, first served, in the hub's database.

Each update of the queue decides by the leases who gets an offer; no process runs for it. A free GPU is offered to the
first entry for a while. An offer that is not accepted goes to the next entry, and the first entry leaves the queue.

Students of different groups wait in one queue for different devices. An entry further back is served before others only
with a device that none of them can use, and that is not closed to become free for them
(`classroom.gpus.allocation.Capacity.after`). So everyone's turn comes once enough leases have ended.

Where the settings say so, the students with the least GPU time of the last days come first, in hours; among equals, the
order of arrival decides. Others may then overtake until they have used as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from classroom.db.models import QueueRow, utc_now
from classroom.gpus.allocation import Granted
from classroom.gpus.usage import hours_used

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.gpus.allocation import Capacity
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Gpu

MAX_ENTRIES = 1000
"""More than the students of any machine."""


@dataclass(frozen=True)
class QueueEntry:
    """A student in the queue."""

    name: str
    joined: datetime
    offered: datetime | None = None
    """When a GPU was offered to the student."""


class QueueLimits(NamedTuple):
    """How long an entry waits."""

    offer: timedelta
    """An offer ends after this time."""
    longest: timedelta
    """An entry leaves the queue after this time."""


def advance(
    queue: Sequence[QueueEntry], rules: Callable[[str], Gpu], capacity: Capacity, when: datetime, limits: QueueLimits
) -> tuple[QueueEntry, ...]:
    """Return the queue at this time, with new offers and without entries that have reached a limit.

    Args:
        queue: the entries in their order.
        rules: gives the rules of a student.
        capacity: the machine with everybody's leases.
        when: the time. A clock that was set back makes nobody wait longer than the limits.
        limits: of the waiting.
    """
    entries: list[QueueEntry] = []
    for entry in queue:
        if when - entry.joined >= limits.longest:
            continue
        gpu = rules(entry.name)
        allocation = capacity.allocate(gpu, entry.name)
        offered = min(entry.offered or when, when) if isinstance(allocation, Granted) else None
        if offered and when - offered >= limits.offer:
            continue
        entries.append(replace(entry, offered=offered, joined=min(entry.joined, when)))
        capacity = capacity.after(gpu, allocation, entry.name)
    return tuple(entries)


def ordered_by_use(queue: Iterable[QueueEntry], used: Mapping[str, float]) -> tuple[QueueEntry, ...]:
    """Return the queue with the least GPU time first; entries with an offer stay in front.

    Args:
        queue: in the order of arrival, which decides among equals.
        used: seconds of GPUs, by student (`classroom.gpus.usage.recent_use`).
    """
    return tuple(sorted(queue, key=lambda entry: (entry.offered is None, hours_used(used.get(entry.name, 0.0)))))


def read_queue(db: Session) -> tuple[QueueEntry, ...]:
    """Return the queue of the database, in the order of arrival."""
    rows = db.scalars(select(QueueRow).order_by(QueueRow.id)).all()
    return tuple(QueueEntry(row.name, row.joined, row.offered) for row in rows)


def update_queue(  # noqa: PLR0913 - all that decides
    db: Session,
    gpu: Gpu,
    capacity: Capacity,
    leases: Collection[Lease],
    rules: Callable[[str], Gpu] | None = None,
    *,
    used: Mapping[str, float] | None = None,
) -> tuple[QueueEntry, ...]:
    """Advance the queue of the database and return it. A student whose lease is newer than the entry leaves it.

    Args:
        db: the hub's database.
        gpu: the site's rules, which limit the waiting.
        capacity: the machine with everybody's leases.
        leases: these.
        rules: gives the rules of a student; the site's by default.
        used: the students' GPU time, where the order depends on it.
    """
    before = read_queue(db)
    if not before:
        return ()
    since = {lease.holder: lease.since for lease in leases}
    waiting = [
        entry for entry in before if since.get(entry.name, 0) < int(entry.joined.replace(tzinfo=UTC).timestamp())
    ]
    waiting = waiting if used is None else list(ordered_by_use(waiting, used))
    limits = QueueLimits(timedelta(seconds=gpu.offer), timedelta(seconds=gpu.longest_wait))
    after = advance(waiting, rules or (lambda _name: gpu), capacity, utc_now(), limits)
    if after != before:
        rows = {row.name: row for row in db.scalars(select(QueueRow))}
        for entry in after:
            rows[entry.name].joined, rows[entry.name].offered = entry.joined, entry.offered
        for name in rows.keys() - {entry.name for entry in after}:
            db.delete(rows[name])
        db.commit()
    return after


def join_queue(db: Session, name: str) -> bool:
    """Add a student at the end, or leave an existing entry where it is; return False if the queue is full."""
    if db.scalar(select(QueueRow.id).where(QueueRow.name == name)):
        return True
    if (db.scalar(select(func.count()).select_from(QueueRow)) or 0) >= MAX_ENTRIES:
        return False
    db.add(QueueRow(name=name, joined=utc_now()))
    try:
        db.commit()
    except IntegrityError:
        db.rollback()  # two windows at once
    return True


def leave_queue(db: Session, name: str) -> float | None:
    """Remove a student's entry; return the seconds it lasted, or None if there was none."""
    row = db.scalar(select(QueueRow).where(QueueRow.name == name))
    if row is None:
        return None
    waited = max(0.0, (utc_now() - row.joined).total_seconds())
    db.delete(row)
    db.commit()
    return waited


def position_in(queue: Sequence[QueueEntry], name: str) -> int | None:
    """Return the number of entries ahead of a student; None without an entry."""
    return next((number for number, entry in enumerate(queue) if entry.name == name), None)
