"""Reservations API: GPUs for lectures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from pydantic import AwareDatetime, Field

from classroom.accounts import bulk_import
from classroom.audit.events import Action, record
from classroom.db.models import utc_now
from classroom.gpus.reservations import store
from classroom.gpus.reservations.policy import Reservation, ReservationError, device_pools
from classroom.settings.groups import configured_members
from classroom.web.api.base import ApiHandler, RequestBody, RowId, json_time

if TYPE_CHECKING:
    from classroom.gpus.scheduler import GpuScheduler
    from classroom.settings.models import Settings

_MAX_AHEAD = timedelta(days=400)


class _Wanted(RequestBody):
    count: int = Field(ge=1, le=1000)
    """GPUs."""
    begins: AwareDatetime
    ends: AwareDatetime
    group: str = Field(default="", max_length=bulk_import.MAX_GROUP_CHARACTERS)
    """The group that may use them; empty for the instructors."""
    clear: bool = False
    """Whether other students' servers are stopped for it."""


class _Cancelled(RequestBody):
    ids: tuple[RowId, ...] = Field(min_length=1, max_length=store.MAX_RESERVATIONS)


class Reservations(ApiHandler):
    """/hub/api/classroom/reservations."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """Send the current and future reservations, in the order of their creation."""
        self.send_json({"reservations": [_described(reservation) for reservation in store.list_reservations(self.db)]})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Create a reservation."""
        body = self.parse_body(_Wanted)
        settings: Settings = self.settings["app"].class_settings
        scheduler: GpuScheduler | None = self.settings["app"].gpu_scheduler
        if scheduler is None or not scheduler.has_queue:
            raise ReservationError(
                f'gpu.policy is "{settings.gpu.policy}": only GPUs that are allocated one by one can be reserved. '
                'Write gpu.policy = "exclusive" or "shared" in the settings.'
            )
        begins, ends = _utc(body.begins), _utc(body.ends)
        if ends > utc_now() + _MAX_AHEAD:
            raise ReservationError("That is more than a year ahead. Give an earlier --to.")
        pools = device_pools(settings, await scheduler.inventory())
        requested = Reservation(body.count, begins, ends, body.group, made_by=self.actor, clear=body.clear)
        created = store.create_reservation(self.db, requested, pools, configured_members(settings))
        self.log.info("%s reserves %s GPUs, number %s", self.actor, created.count, created.id)
        record(
            Action.RESERVED, detail=f"number {created.id}: {created.count} GPUs for {created.group or 'instructors'}"
        )
        self.send_json({"reservation": _described(created)})


class ReservationsCancelled(ApiHandler):
    """/hub/api/classroom/reservations/cancel."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Delete reservations."""
        ids = self.parse_body(_Cancelled).ids
        cancelled = store.cancel_reservations(self.db, ids)
        self.log.info("%s cancels reservations: %s", self.actor, cancelled)
        if cancelled:
            record(Action.CANCELLED, detail="reservations " + ", ".join(map(str, cancelled)))
        self.send_json({"cancelled": list(cancelled), "unknown": [row for row in ids if row not in cancelled]})


def _utc(value: datetime) -> datetime:
    """Return a time as the tables hold it."""
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ReservationError(f"{value}: there is no such time.") from error


def _described(reservation: Reservation) -> dict[str, object]:
    return {
        "id": reservation.id,
        "count": reservation.count,
        "group": reservation.group,
        "begins": json_time(reservation.begins),
        "ends": json_time(reservation.ends),
        "now": reservation.holds(utc_now()),
        "clear": reservation.clear,
        "made_by": reservation.made_by,
    }
