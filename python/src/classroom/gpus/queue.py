"""The line of those who wait for a GPU: first come, first served, and kept in the hub's database.

Whose turn it is follows from the leases each time somebody looks: nothing runs beside it. A free GPU is kept for who is
first for a while; not taken, it passes on, and the one who did not take it has lost the place.

Students of different groups wait in the one line for different devices. Someone further back is served before others
only with a device that is of no use to any of them, and that is not kept to become free for them
(`classroom.gpus.allocation.Capacity.after`): so everyone's turn comes once enough of those who hold devices have gone.

Where the settings say so, who has used GPUs least in the last days comes first, in whole hours; among equals, who came
first. Then others may overtake, until they have used as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from classroom.db.models import QueueRow, utc_now
from classroom.gpus.allocation import Granted
from classroom.gpus.usage import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.gpus.allocation import Capacity
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Gpu

MAX_ENTRIES = 1000
"""Places at most: more students than any machine has."""


@dataclass(frozen=True)
class QueueEntry:
    """A student in line."""

    name: str
    joined: datetime
    offered: datetime | None = None
    """Since when a GPU is kept for them."""


class QueueLimits(NamedTuple):
    """How long somebody waits."""

    offer: timedelta
    """A GPU is kept this long for one of them."""
    longest: timedelta
    """Nobody waits longer."""


def advance(
    line: Sequence[QueueEntry], rules: Callable[[str], Gpu], room: Capacity, when: datetime, bounds: QueueLimits
) -> tuple[QueueEntry, ...]:
    """The line as it is now.

    Args:
        line: in the order in which they came.
        rules: those that hold for a student.
        room: the machine, with everybody's leases.
        when: the time. A clock that was set back makes nobody wait longer than the bounds.
        bounds: of the waiting.
    """
    kept: list[QueueEntry] = []
    for each in line:
        if when - each.joined >= bounds.longest:
            continue
        gpu = rules(each.name)
        answer = room.answer(gpu, each.name)
        offered = min(each.offered or when, when) if isinstance(answer, Granted) else None
        if offered and when - offered >= bounds.offer:
            continue
        kept.append(replace(each, offered=offered, joined=min(each.joined, when)))
        room = room.after(gpu, answer, each.name)
    return tuple(kept)


def ordered_by_use(line: Iterable[QueueEntry], used: Mapping[str, float]) -> tuple[QueueEntry, ...]:
    """The line with those first who have used least; what is kept for somebody stays theirs.

    Args:
        line: in the order in which they came, which holds among equals.
        used: seconds of GPUs, by student (`classroom.gpus.usage.recent_use`).
    """
    return tuple(sorted(line, key=lambda each: (each.offered is None, rank(used.get(each.name, 0.0)))))


def read_queue(db: Session) -> tuple[QueueEntry, ...]:
    """The line as it was left."""
    rows = db.scalars(select(QueueRow).order_by(QueueRow.id)).all()
    return tuple(QueueEntry(row.name, row.joined, row.offered) for row in rows)


def update_queue(  # noqa: PLR0913 - all that decides
    db: Session,
    gpu: Gpu,
    room: Capacity,
    leases: Collection[Lease],
    rules: Callable[[str], Gpu] | None = None,
    *,
    used: Mapping[str, float] | None = None,
) -> tuple[QueueEntry, ...]:
    """Review the line and keep what came of it. Who has got a GPU since they joined waits no more.

    Args:
        db: the hub's database.
        gpu: the site's rules, which bound the waiting.
        room: the machine, with everybody's leases.
        leases: these.
        rules: those that hold for a student, where not everyone has the site's.
        used: what each has used, where that decides who is first.
    """
    before = read_queue(db)
    if not before:
        return ()
    since = {lease.holder: lease.since for lease in leases}
    waiting = [each for each in before if since.get(each.name, 0) < int(each.joined.replace(tzinfo=UTC).timestamp())]
    waiting = waiting if used is None else list(ordered_by_use(waiting, used))
    bounds = QueueLimits(timedelta(seconds=gpu.offer), timedelta(seconds=gpu.longest_wait))
    reviewed = advance(waiting, rules or (lambda _name: gpu), room, utc_now(), bounds)
    if reviewed != before:
        rows = {row.name: row for row in db.scalars(select(QueueRow))}
        for each in reviewed:
            rows[each.name].joined, rows[each.name].offered = each.joined, each.offered
        for name in rows.keys() - {each.name for each in reviewed}:
            db.delete(rows[name])
        db.commit()
    return reviewed


def join_queue(db: Session, name: str) -> bool:
    """Put a student at the end; who is in line keeps the place. False if the line is too long."""
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
    """Take a student out of the line; gives the seconds they were in it, None if they were not."""
    row = db.scalar(select(QueueRow).where(QueueRow.name == name))
    if row is None:
        return None
    waited = max(0.0, (utc_now() - row.joined).total_seconds())
    db.delete(row)
    db.commit()
    return waited


def position_in(line: Sequence[QueueEntry], name: str) -> int | None:
    """How many are before a student who is in line."""
    return next((number for number, each in enumerate(line) if each.name == name), None)
