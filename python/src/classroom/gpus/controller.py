"""GPU controller: the loop that starts servers for the queue, counts GPU time and ends leases."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import docker.errors
from sqlalchemy.exc import SQLAlchemyError

from classroom.accounts.groups import account_gpu_settings
from classroom.errors import ClassroomError
from classroom.gpus import usage
from classroom.gpus.idle_detection import idle_leases
from classroom.gpus.metrics import ENDED, HELD
from classroom.gpus.preemption import Demand, LeaseAges, PendingNotices, leases_to_clear, leases_to_preempt
from classroom.notices import Notice
from classroom.settings.groups import gpu_rules
from classroom.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy.orm import Session

    from classroom.gpus.autostart import Autostart
    from classroom.gpus.leases import Lease, LeaseKey
    from classroom.gpus.scheduler import GpuScheduler
    from classroom.gpus.snapshot import GpuSnapshot
    from classroom.notices import NoticeBoard
    from classroom.settings.models import Settings

    Stop = Callable[[str, str], Awaitable[bool]]
    """Stops a student's server for a reason; returns False if it cannot be stopped now."""

_PAUSE = 15.0  # seconds, Prometheus' usual interval
_SHORT_PAUSE = 3.0  # seconds, while students wait
_PAGE_IS_OPEN = 90.0  # seconds; the page of a student in the queue asks every 30

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class StopReason(NamedTuple):
    """Why a server is stopped."""

    label: str
    """For the metrics."""
    notice: str
    """For its student, before it is stopped."""
    stopped: str
    """For its student, on the pages afterwards."""


_LECTURE = StopReason("reserved", *(2 * ["Your GPU is reserved for a lecture that begins."]))


class GpuController:
    """Acts on the scheduler's snapshots until it is cancelled."""

    def __init__(  # noqa: PLR0913 - all that it acts on
        self,
        settings: Settings,
        scheduler: GpuScheduler,
        db: Session,
        *,
        notices: NoticeBoard,
        autostart: Autostart,
        stop: Stop,
    ) -> None:
        """Start without leases and notices."""
        self._settings, self._gpu = settings, settings.gpu
        self._scheduler, self._db, self._autostart, self._stop = scheduler, db, autostart, stop
        periods = (gpu.notice for gpu in gpu_rules(settings).values() if gpu.policy != "none")
        self._pause = min(_PAUSE, self._gpu.offer / 5, *(period / 5 for period in periods))
        self._usage, self._ages = usage.UsageCounter(), LeaseAges()
        self._notices, self._pending = notices, PendingNotices()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            snapshot = await self._attempt(self._scheduler.reconcile())
            if snapshot is not None:
                # A failure of one must not stop the other.
                await self._attempt(self._autostart.update(snapshot))
                await self._attempt(self._act(snapshot))
            is_busy = snapshot is not None and (snapshot.queue or self._autostart.busy)
            await asyncio.sleep(min(self._pause, _SHORT_PAUSE) if is_busy else self._pause)

    async def _attempt(self, step: Awaitable[_T]) -> _T | None:
        try:
            return await step
        except (ClassroomError, docker.errors.APIError) as error:
            _log.debug("No change to GPU leases and queue: %s", error)
        except SQLAlchemyError:
            _log.exception("No change to GPU leases and queue")
            self._db.rollback()  # or the hub's one session accepts nothing more
        except Exception:  # noqa: BLE001 - the task must survive unexpected errors
            _log.exception("No change to GPU leases and queue")
        return None

    async def _act(self, snapshot: GpuSnapshot) -> None:
        moment = time.monotonic()
        leases = [lease for lease in snapshot.leases if lease.network == self._settings.network.name]
        used = self._usage.count(snapshot.inventory, leases, moment)
        HELD.inc(sum(used.values()))
        usage.record_use(self._db, used)
        ages = self._ages.update(leases, moment, time.time())
        # By the current groups, not those of the start: nobody has to stop a server to have it for longer.
        by_holder = account_gpu_settings(self._db, self._settings, [lease.holder for lease in leases])
        rules = {lease: by_holder.get(lease.holder, self._gpu) for lease in leases}
        least_idle = {lease: gpu.idle - gpu.notice for lease, gpu in rules.items() if gpu.idle}
        reasons = {
            lease: _not_used(seconds) for lease, seconds in idle_leases(least_idle, snapshot.sample, ages).items()
        }
        least_age = {lease: gpu.longest_lease - gpu.notice for lease, gpu in rules.items() if gpu.longest_lease}
        if overdue := [lease for lease, least in least_age.items() if ages[lease.key] >= least]:
            needed = await asyncio.to_thread(self._needed, snapshot, overdue, ages)
            reasons |= {lease: _others_wait(ages[lease.key]) for lease in needed}
        periods: dict[Lease, float] = {lease: rules[lease].notice for lease in reasons}
        for lease in leases_to_clear(leases, snapshot.inventory, snapshot.claims):
            # The site's period: from the end of it the GPUs are the lecture's.
            reasons[lease], periods[lease] = _LECTURE, self._gpu.notice
        await self._end(reasons, periods, moment)

    def _needed(self, snapshot: GpuSnapshot, overdue: list[Lease], ages: Mapping[LeaseKey, float]) -> tuple[Lease, ...]:
        overdue.sort(key=self._pending.order(ages))
        # No server is stopped for a student who joined the queue and closed the page.
        waiting = [entry for entry in snapshot.queue if self._notices.visited_within(entry.name, _PAGE_IS_OPEN)]
        demand = Demand(waiting, snapshot.rules, snapshot.capacity_with)
        return leases_to_preempt(overdue, snapshot.leases, demand, snapshot.inventory, snapshot.claims)

    async def _end(self, reasons: Mapping[Lease, StopReason], periods: Mapping[Lease, float], moment: float) -> None:
        step = self._pending.update(periods, moment)
        by_key = {lease.key: reason for lease, reason in reasons.items()}
        for lease in step.withdraw:
            self._notices.withdraw(lease.holder)
        for lease in step.notify:
            notice = by_key[lease.key].notice
            self._notices.give(lease.holder, Notice(notice, moment + periods[lease]))
            _log.info("Notice to %s before the server is stopped: %s", lease.holder, notice)
        for lease in step.stop:
            if await self._stop(lease.holder, by_key[lease.key].stopped):
                ENDED.labels(by_key[lease.key].label).inc()


def _others_wait(age: float) -> StopReason:
    duration = format_duration(age)
    return StopReason(
        "others wait",
        f"Other students are waiting for a GPU, and you have had yours for {duration}.",
        f"Other students were waiting for a GPU, and you had had yours for {duration}.",
    )


def _not_used(idle: float) -> StopReason:
    duration = format_duration(idle)
    return StopReason(
        "not used",
        f"Nothing has run on your GPU for {duration}. Run code on it, or it goes to another student.",
        f"Nothing had run on your GPU for {duration}.",
    )
