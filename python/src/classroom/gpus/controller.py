"""What the hub does about GPUs while nobody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import docker.errors
from sqlalchemy.exc import SQLAlchemyError

from classroom.accounts.groups import account_gpu_settings
from classroom.errors import ClassroomError
from classroom.gpus import usage
from classroom.gpus.idle_detection import idle_leases
from classroom.gpus.metrics import ENDED, HELD, show
from classroom.gpus.preemption import (
    Demand,
    LeaseAges,
    LeaseKey,
    PendingNotices,
    lease_key,
    leases_to_clear,
    leases_to_preempt,
)
from classroom.gpus.snapshot import GpuSnapshot, look, measured
from classroom.notices import Notice
from classroom.settings.groups import gpu_rules
from classroom.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy.orm import Session

    from classroom.docker.client import Engine
    from classroom.gpus.autostart import Autostart
    from classroom.gpus.leases import Lease
    from classroom.notices import Board
    from classroom.settings.models import Settings

    Stop = Callable[[str, str], Awaitable[bool]]
    """Stops a student's server for a reason; False if it cannot be stopped now."""

_PAUSE = 15.0  # seconds, Prometheus' usual interval
_BRISK = 3.0  # seconds, while somebody waits
_AT_THE_PAGE = 90.0  # seconds; the page of who waits asks every 30

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class StopReason(NamedTuple):
    """Why a server is stopped."""

    why: str
    """For the figures."""
    before: str
    """For its student, in the notice."""
    after: str
    """For its student, on the pages afterwards."""


_LECTURE = StopReason("reserved", *(2 * ["A lecture begins, for which your GPU is reserved."]))


class GpuController:
    """Looks for ever: turns come and pass on by it, use is counted, leases end, the figures are set."""

    def __init__(  # noqa: PLR0913 - all that it acts on
        self, settings: Settings, engine: Engine, db: Session, *, board: Board, turns: Autostart, stop: Stop
    ) -> None:
        """Look at nothing yet."""
        self._settings, self._gpu = settings, settings.gpu
        self._rules = [gpu for gpu in gpu_rules(settings).values() if gpu.policy != "none"]
        self._engine, self._db, self._board, self._turns, self._stop = engine, db, board, turns, stop
        self._pause = min(_PAUSE, self._gpu.offer / 5, *(gpu.notice / 5 for gpu in self._rules))
        self._meter, self._ages, self._notices = usage.UsageCounter(), LeaseAges(), PendingNotices()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            view = await self._tried(self._look())
            if view is not None:
                # What ails one must not keep the other from its work.
                await self._tried(self._turns.review(view))
                await self._tried(self._act(view))
            is_brisk = view is not None and (view.queue or self._turns.busy)
            await asyncio.sleep(min(self._pause, _BRISK) if is_brisk else self._pause)

    async def _tried(self, step: Awaitable[_T]) -> _T | None:
        try:
            return await step
        except (ClassroomError, docker.errors.APIError) as error:
            _log.debug("The GPUs are left as they are: %s", error)
        except SQLAlchemyError:
            _log.exception("The GPUs are left as they are")
            self._db.rollback()  # or the hub's one session takes nothing more
        except Exception:  # noqa: BLE001 - the task must outlive what nobody has foreseen
            _log.exception("The GPUs are left as they are")
        return None

    async def _look(self) -> GpuSnapshot:
        rules = partial(account_gpu_settings, self._db, self._settings)
        view = await look(self._engine, self._rules[0], self._db, "", rules, settings=self._settings)
        return await measured(view)

    async def _act(self, view: GpuSnapshot) -> None:
        show(view, self._rules)
        moment = time.monotonic()
        mine = [lease for lease in view.leases if lease.network == self._settings.network.name]
        used = self._meter.count(view.inventory, mine, moment)
        HELD.inc(sum(used.values()))
        usage.record_use(self._db, used)
        ages = self._ages.look(mine, moment, time.time())
        # The groups that students are in now, not at their start: nobody has to stop a server to keep it for longer.
        of = account_gpu_settings(self._db, self._settings, [lease.holder for lease in mine])
        rules = {lease: of.get(lease.holder, self._gpu) for lease in mine}
        idle = idle_leases(
            {lease: gpu.idle - gpu.notice for lease, gpu in rules.items() if gpu.idle}, view.sample, ages
        )
        words = {lease: _not_used(seconds) for lease, seconds in idle.items()}
        bound = {lease: gpu.longest_lease - gpu.notice for lease, gpu in rules.items() if gpu.longest_lease}
        if overdue := [lease for lease, least in bound.items() if ages[lease_key(lease)] >= least]:
            needed = await asyncio.to_thread(self._needed, view, overdue, ages)
            words |= {lease: _others_wait(ages[lease_key(lease)]) for lease in needed}
        notice: dict[Lease, float] = {lease: rules[lease].notice for lease in words}
        for lease in leases_to_clear(mine, view.inventory, view.claims):
            # Everyone's: from then on the GPUs are the lecture's.
            words[lease], notice[lease] = _LECTURE, self._gpu.notice
        await self._end(words, notice, moment)

    def _needed(self, view: GpuSnapshot, overdue: list[Lease], ages: Mapping[LeaseKey, float]) -> tuple[Lease, ...]:
        overdue.sort(key=self._notices.first_to_go(ages))
        # Nobody's server is stopped for somebody who joined the line and went away.
        waiting = [each for each in view.queue if self._board.is_there(each.name, _AT_THE_PAGE)]
        wishes = Demand(waiting, view.rules, view.room)
        return leases_to_preempt(overdue, view.leases, wishes, view.inventory, view.claims)

    async def _end(self, words: Mapping[Lease, StopReason], notice: Mapping[Lease, float], moment: float) -> None:
        step = self._notices.review(notice, moment)
        said = {lease_key(lease): each for lease, each in words.items()}
        for lease in step.withdraw:
            self._board.withdraw(lease.holder)
        for lease in step.tell:
            before = said[lease_key(lease)].before
            self._board.give(lease.holder, Notice(before, moment + notice[lease]))
            _log.info("%s is told that the server is to be stopped. %s", lease.holder, before)
        for lease in step.stop:
            if await self._stop(lease.holder, said[lease_key(lease)].after):
                ENDED.labels(said[lease_key(lease)].why).inc()


def _others_wait(age: float) -> StopReason:
    had = format_duration(age)
    return StopReason(
        "others wait",
        f"Others wait for a GPU, and you have had yours for {had}.",
        f"Others waited for a GPU, and you had had yours for {had}.",
    )


def _not_used(idle: float) -> StopReason:
    return StopReason(
        "not used",
        f"Nothing has run on your GPU for {format_duration(idle)}. Run something on it to keep it.",
        f"Nothing had run on your GPU for {format_duration(idle)}.",
    )
