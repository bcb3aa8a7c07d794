"""GPU time of each student in the last days, counted while the hub runs.

It is measured by the monotonic clock: a jump of the machine's clock adds nothing to anybody's use and removes nothing.
The machine's clock only decides the day under which the use is recorded.
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
    from classroom.gpus.leases import Lease, LeaseKey

_DAYS = 7
_HOUR = 3600.0
_MAX_ROWS = 100_000


class UsageCounter:
    """Counts GPU time from one list of leases to the next."""

    def __init__(self) -> None:
        """Start without leases."""
        self._counted: dict[LeaseKey, float] = {}

    def count(self, inventory: Inventory, leases: Iterable[Lease], moment: float) -> dict[str, float]:
        """Return the GPU time since the last call: seconds by student; two GPUs at once count twice.

        Args:
            inventory: the machine.
            leases: those of the class.
            moment: of `time.monotonic`.
        """
        counted: dict[LeaseKey, float] = {}
        used: dict[str, float] = {}
        for lease in leases:
            counted[lease.key] = moment
            if lease.key in self._counted:
                seconds = (moment - self._counted[lease.key]) * len(leased_identities(inventory, lease))
                used[lease.holder] = used.get(lease.holder, 0.0) + seconds
        self._counted = counted
        return used


def record_use(db: Session, used: Mapping[str, float], today: date | None = None) -> None:
    """Add seconds by student to the database."""
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
    # By number, not by age: a wrong clock's year would remove every row.
    newest = db.scalar(select(func.max(GpuUsageRow.id))) or 0
    db.execute(delete(GpuUsageRow).where(GpuUsageRow.id <= newest - _MAX_ROWS))
    db.commit()


def recent_use(db: Session, today: date | None = None) -> dict[str, float]:
    """Return the seconds of the last seven days, today included, by student."""
    day = today or utc_now().date()
    query = select(GpuUsageRow.name, func.sum(GpuUsageRow.seconds)).group_by(GpuUsageRow.name)
    since = day - timedelta(days=_DAYS - 1)
    return {name: float(seconds) for name, seconds in db.execute(query.where(GpuUsageRow.day.between(since, day)))}


def hours_used(seconds: float) -> int:
    """Return the full hours, which decide the order of the queue: a few minutes let nobody overtake."""
    return int(seconds // _HOUR)
