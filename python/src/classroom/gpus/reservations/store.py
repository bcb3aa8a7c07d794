"""Reservations in the hub's database. Nothing here goes by itself: a clock that jumps loses no lecture its GPUs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jupyterhub import orm
from sqlalchemy import delete, func, select

from classroom.db.models import ReservationRow, utc_now
from classroom.gpus.reservations.policy import Reservation, ReservationError, check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.gpus.reservations.policy import Pools

    Named = Mapping[str, Collection[str]]

MOST = 1000
_NOBODY: Named = {}
_KEPT = timedelta(days=30)


def list_reservations(db: Session, when: datetime | None = None, named: Named = _NOBODY) -> tuple[Reservation, ...]:
    """Those that are not over, in the order in which they were made.

    Args:
        db: the hub's database.
        when: the time; now unless told.
        named: members of groups beside JupyterHub's own (`classroom.settings.groups.configured_members`).
    """
    rows = db.scalars(
        select(ReservationRow).where(ReservationRow.ends > (when or utc_now())).order_by(ReservationRow.id)
    ).all()
    members = {group: _members(db, group).union(named.get(group, ())) for group in {row.group for row in rows}}
    return tuple(
        Reservation(row.count, row.begins, row.ends, row.group, members[row.group], row.id, row.made_by, row.clear)
        for row in rows
    )


def create_reservation(db: Session, wanted: Reservation, pools: Pools, named: Named = _NOBODY) -> Reservation:
    """Keep GPUs for a lecture.

    Args:
        db: the hub's database.
        wanted: what is to be kept; its members are looked up when they are needed.
        pools: of which devices each is.
        named: as for `list_reservations`.

    Raises:
        ReservationError: it cannot be kept.
    """
    when = utc_now()
    check(wanted, list_reservations(db, when), when, pools)
    known = {*db.scalars(select(orm.Group.name)), *named}
    if wanted.group and wanted.group not in known:
        said = ", ".join(sorted(known)) or "none yet"
        raise ReservationError(f"There is no group {wanted.group}. Groups: {said}.")
    db.execute(delete(ReservationRow).where(ReservationRow.ends < when - _KEPT))
    if (db.scalar(select(func.count()).select_from(ReservationRow)) or 0) >= MOST:
        raise ReservationError(f"There are {MOST} reservations. Cancel some.", 409)
    row = ReservationRow(
        count=wanted.count,
        begins=wanted.begins,
        ends=wanted.ends,
        group=wanted.group,
        made_by=wanted.made_by,
        clear=wanted.clear,
    )
    db.add(row)
    db.commit()
    return next(each for each in list_reservations(db, when, named) if each.id == row.id)


def cancel_reservations(db: Session, ids: Iterable[int]) -> tuple[int, ...]:
    """Keep nothing for these any more; gives those that were there."""
    wanted = set(ids)
    found = tuple(
        db.scalars(select(ReservationRow.id).where(ReservationRow.id.in_(wanted)).order_by(ReservationRow.id))
    )
    db.execute(delete(ReservationRow).where(ReservationRow.id.in_(found)))
    db.commit()
    return found


def _members(db: Session, group: str) -> frozenset[str]:
    """The names of a group's members; those of the instructors if it has no name."""
    names = select(orm.User.name)
    names = names.where(orm.User.groups.any(orm.Group.name == group) if group else orm.User.admin.is_(True))
    return frozenset(db.scalars(names))
