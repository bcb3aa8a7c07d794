"""GPUs that are kept for a lecture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from pydantic import AwareDatetime, Field

from classroom.accounts import bulk_import
from classroom.db.models import utc_now
from classroom.gpus.reservations import store
from classroom.gpus.reservations.policy import Reservation, ReservationError, device_pools
from classroom.gpus.snapshot import discover_gpus, has_queue
from classroom.settings.groups import configured_members, gpu_rules
from classroom.web.api.base import ApiHandler, RequestBody, RowId, json_time

if TYPE_CHECKING:
    from classroom.settings.models import Settings

_FARTHEST = timedelta(days=400)


class _Wanted(RequestBody):
    count: int = Field(ge=1, le=1000)
    """GPUs."""
    begins: AwareDatetime
    ends: AwareDatetime
    group: str = Field(default="", max_length=bulk_import.MAX_GROUP_CHARACTERS)
    """Whose members may have them; empty: the instructors."""
    clear: bool = False
    """Stop others' servers for it."""


class _Cancelled(RequestBody):
    ids: tuple[RowId, ...] = Field(min_length=1, max_length=store.MOST)


class Reservations(ApiHandler):
    """/hub/api/classroom/reservations."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """Those that are not over, in the order in which they were made."""
        self.send_json({"reservations": [_described(each) for each in store.list_reservations(self.db)]})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Make one."""
        body = self.parse_body(_Wanted)
        settings: Settings = self.settings["app"].class_settings
        if settings.spawner != "docker" or not any(map(has_queue, gpu_rules(settings).values())):
            raise ReservationError(
                f'gpu.policy is "{settings.gpu.policy}": GPUs are reserved where they are handed out one by one. '
                'Write gpu.policy = "exclusive" or "shared" in the settings.'
            )
        begins, ends = _utc(body.begins), _utc(body.ends)
        if ends > utc_now() + _FARTHEST:
            raise ReservationError("That is more than a year ahead: give an earlier --to.")
        pools = device_pools(settings, await discover_gpus(settings.gpu))
        wanted = Reservation(body.count, begins, ends, body.group, made_by=self.actor, clear=body.clear)
        made = store.create_reservation(self.db, wanted, pools, configured_members(settings))
        self.log.info("%s reserves %s GPUs, number %s", self.actor, made.count, made.id)
        self.send_json({"reservation": _described(made)})


class ReservationsCancelled(ApiHandler):
    """/hub/api/classroom/reservations/cancel."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Take them back."""
        ids = self.parse_body(_Cancelled).ids
        done = store.cancel_reservations(self.db, ids)
        self.log.info("%s cancels reservations: %s", self.actor, done)
        self.send_json({"cancelled": list(done), "unknown": [each for each in ids if each not in done]})


def _utc(value: datetime) -> datetime:
    """As the tables hold it."""
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ReservationError(f"{value}: there is no such time.") from error


def _described(each: Reservation) -> dict[str, object]:
    return {
        "id": each.id,
        "count": each.count,
        "group": each.group,
        "begins": json_time(each.begins),
        "ends": json_time(each.ends),
        "now": each.holds(utc_now()),
        "clear": each.clear,
        "made_by": each.made_by,
    }
