"""How long each student has had GPUs in the last days, counted while the hub runs.

Counted by the clock that only goes forward: a clock of the machine that jumps adds nothing to anybody's use and takes
nothing from it. It says on which day something is written down, no more.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from classroom.db.models import GpuUsageRow, utc_now
from classroom.gpus.allocation import leased_identities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease

DAYS = 7
_HOUR = 3600.0
_MOST_ROWS = 100_000


class UsageCounter:
    """Adds up, from one look at the leases to the next."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._seen: dict[tuple[str, int], float] = {}

    def count(self, inventory: Inventory, leases: Iterable[Lease], moment: float) -> dict[str, float]:
        """What has been used since the last look: seconds by student, those of two GPUs at once counted twice.

        Args:
            inventory: the machine.
            leases: those of the class.
            moment: of `time.monotonic`.
        """
        seen: dict[tuple[str, int], float] = {}
        used: dict[str, float] = {}
        for lease in leases:
            key = lease.container, lease.since
            seen[key] = moment
            if key in self._seen:
                seconds = (moment - self._seen[key]) * len(leased_identities(inventory, lease))
                used[lease.holder] = used.get(lease.holder, 0.0) + seconds
        self._seen = seen
        return used


def record_use(db: Session, used: Mapping[str, float], today: date | None = None) -> None:
    """Write use down."""
    if not used:
        return
    day = today or utc_now().date()
    rows = {
        row.name: row
        for row in db.scalars(select(GpuUsageRow).where(GpuUsageRow.day == day, GpuUsageRow.name.in_(used)))
    }
    for name, seconds in used.items():
        if name in rows:
            rows[name].seconds += seconds
        else:
            db.add(GpuUsageRow(name=name, day=day, seconds=seconds))
    # By number, not by age: a year that a wrong clock makes up would take everything away.
    newest = db.scalar(select(func.max(GpuUsageRow.id))) or 0
    db.execute(delete(GpuUsageRow).where(GpuUsageRow.id <= newest - _MOST_ROWS))
    db.commit()


def recent_use(db: Session, today: date | None = None) -> dict[str, float]:
    """Seconds of the last seven days, today among them, by student."""
    day = today or utc_now().date()
    query = select(GpuUsageRow.name, func.sum(GpuUsageRow.seconds)).group_by(GpuUsageRow.name)
    since = day - timedelta(days=DAYS - 1)
    return {name: float(seconds) for name, seconds in db.execute(query.where(GpuUsageRow.day.between(since, day)))}


def rank(seconds: float) -> int:
    """What counts in line, in whole hours: a few minutes are no reason to be overtaken."""
    return int(seconds // _HOUR)
