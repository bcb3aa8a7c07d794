"""GPU reservations in the hub's database. None is deleted by time alone: no lecture loses its GPUs by a clock jump."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jupyterhub import orm
from sqlalchemy import delete, func, select

from classroom.db.models import ReservationRow, utc_now
from classroom.gpus.reservations.policy import Reservation, ReservationError, check_reservation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.gpus.reservations.policy import Pools

    NamedMembers = Mapping[str, Collection[str]]

MAX_RESERVATIONS = 1000
_NOBODY: NamedMembers = {}
_RETENTION = timedelta(days=30)


def list_reservations(
    db: Session, when: datetime | None = None, named: NamedMembers = _NOBODY
) -> tuple[Reservation, ...]:
    """Return the current and future reservations, in the order of their creation.

    Args:
        db: the hub's database.
        when: the time; now by default.
        named: members of groups in addition to JupyterHub's own (`classroom.settings.groups.configured_members`).
    """
    rows = db.scalars(
        select(ReservationRow).where(ReservationRow.ends > (when or utc_now())).order_by(ReservationRow.id)
    ).all()
    members = {group: _members(db, group).union(named.get(group, ())) for group in {row.group for row in rows}}
    return tuple(
        Reservation(row.count, row.begins, row.ends, row.group, members[row.group], row.id, row.made_by, row.clear)
        for row in rows
    )


def create_reservation(
    db: Session, reservation: Reservation, pools: Pools, named: NamedMembers = _NOBODY
) -> Reservation:
    """Store a reservation and return it.

    Args:
        db: the hub's database.
        reservation: the reservation; the members of its group are read when needed.
        pools: gives the devices of each group.
        named: as for `list_reservations`.

    Raises:
        ReservationError: it is refused.
    """
    when = utc_now()
    check_reservation(reservation, list_reservations(db, when), when, pools)
    groups = {*db.scalars(select(orm.Group.name)), *named}
    if reservation.group and reservation.group not in groups:
        names = ", ".join(sorted(groups)) or "none yet"
        raise ReservationError(f"There is no group {reservation.group}. Groups: {names}.")
    db.execute(delete(ReservationRow).where(ReservationRow.ends < when - _RETENTION))
    if (db.scalar(select(func.count()).select_from(ReservationRow)) or 0) >= MAX_RESERVATIONS:
        raise ReservationError(f"There are {MAX_RESERVATIONS} reservations. Cancel some.", 409)
    row = ReservationRow(
        count=reservation.count,
        begins=reservation.begins,
        ends=reservation.ends,
        group=reservation.group,
        made_by=reservation.made_by,
        clear=reservation.clear,
    )
    db.add(row)
    db.commit()
    return next(reservation for reservation in list_reservations(db, when, named) if reservation.id == row.id)


def cancel_reservations(db: Session, ids: Iterable[int]) -> tuple[int, ...]:
    """Delete reservations; return the numbers of those that existed."""
    numbers = set(ids)
    existing = tuple(
        db.scalars(select(ReservationRow.id).where(ReservationRow.id.in_(numbers)).order_by(ReservationRow.id))
    )
    db.execute(delete(ReservationRow).where(ReservationRow.id.in_(existing)))
    db.commit()
    return existing


def _members(db: Session, group: str) -> frozenset[str]:
    """Return the names of a group's members; the instructors for the empty name."""
    names = select(orm.User.name)
    names = names.where(orm.User.groups.any(orm.Group.name == group) if group else orm.User.admin.is_(True))
    return frozenset(db.scalars(names))
