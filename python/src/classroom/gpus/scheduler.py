"""GPU scheduler: takes snapshots of the GPUs, allocates them to starts, and updates the queue by the leases.

A hub has one. Pages, starts and the controller ask it, so that all of them decide by the same state and rules.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.accounts.groups import account_gpu_settings
from classroom.db.models import utc_now
from classroom.gpus import queue, usage
from classroom.gpus.allocation import Granted, NoGpu, capacity_of, class_gpu_problems, has_queue, may_queue
from classroom.gpus.inventory import Inventory, cdi_cache_at
from classroom.gpus.leases import LEASE, leases_of
from classroom.gpus.metrics import WAITED, update_metrics
from classroom.gpus.reservations import store
from classroom.gpus.reservations.policy import claims_of, device_pools
from classroom.gpus.snapshot import GpuSnapshot
from classroom.settings.groups import configured_members, gpu_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.orm import Session

    from classroom.docker.client import Engine
    from classroom.gpus.allocation import Allocation
    from classroom.gpus.leases import Lease
    from classroom.settings.models import Gpu, Settings

_RECENT = 1.0  # seconds
_NOT_WANTED = NoGpu("You chose to start without a GPU.")


class GpuScheduler:
    """Decides about the GPUs of one class."""

    def __init__(self, settings: Settings, engine: Engine, db: Session) -> None:
        """Create a scheduler without a snapshot.

        Args:
            settings: of the class.
            engine: the class's engine.
            db: the hub's database.
        """
        self._settings, self._engine, self._db = settings, engine, db
        self._rules = gpu_rules(settings)
        self._default = next((gpu for gpu in self._rules.values() if gpu.policy != "none"), settings.gpu)
        self._allocating = asyncio.Lock()
        self._recent: tuple[float, asyncio.Task[tuple[Lease, ...]]] | None = None

    @property
    def has_queue(self) -> bool:
        """Return whether any student may have to wait for a GPU."""
        return any(map(has_queue, self._rules.values()))

    def problems(self) -> tuple[str, ...]:
        """Return what the operator has to fix about the class's GPUs."""
        return class_gpu_problems(self._rules, cdi_cache_at(self._settings.gpu.cdi_dirs).read())

    async def inventory(self) -> Inventory:
        """Return the machine's GPUs as its files say now."""
        return await asyncio.to_thread(cdi_cache_at(self._settings.gpu.cdi_dirs).read)

    async def snapshot(
        self,
        student: str = "",
        gpu: Gpu | None = None,
        container: str = "",
        *,
        recent: bool = False,
        advance: bool = True,
    ) -> GpuSnapshot:
        """Return the GPUs as a student finds them.

        Args:
            student: the student who asks; by default nobody.
            gpu: the rules for the student; by default the first of the class that allocate GPUs.
            container: the student's. A lease of an earlier container of that name is the same student's.
            recent: accept leases that are up to a second old. The engine is asked once a second for all pages together.
            advance: advance the queue; otherwise it is as the last call left it.

        Raises:
            EngineAwayError: the engine does not answer.
        """
        gpu = gpu or self._default
        if gpu.policy == "none":
            return GpuSnapshot(gpu, Inventory(), ())
        settings, db = self._settings, self._db
        inventory, all_leases = await self.inventory(), await (self._recent_leases() if recent else self._leases())
        leases = tuple(lease for lease in all_leases if lease.container != container)
        when = utc_now()
        reservations = store.list_reservations(db, when, configured_members(settings))
        # A student who started just before a lecture would still have the GPU when it begins.
        lead = timedelta(seconds=settings.gpu.notice)
        in_force = tuple(reservation for reservation in reservations if reservation.holds(when, lead))
        pools = device_pools(settings, inventory)
        claims = claims_of(pools, inventory, leases, in_force)
        rules = account_gpu_settings(
            db, settings, [entry.name for entry in queue.read_queue(db) if entry.name != student]
        )
        used = usage.recent_use(db) if settings.gpu.prefer_least_used else None
        if advance:
            capacity = capacity_of(inventory, leases, claims)
            entries = queue.update_queue(db, gpu, capacity, leases, lambda name: rules.get(name, gpu), used=used)
        else:
            entries = queue.read_queue(db)
            entries = entries if used is None else queue.ordered_by_use(entries, used)
        return GpuSnapshot(gpu, inventory, leases, entries, rules, reservations, claims, in_force, pools, used)

    @asynccontextmanager
    async def allocate(
        self, student: str, gpu: Gpu, container: str, *, with_gpu: bool = True
    ) -> AsyncIterator[Allocation]:
        """Give the allocation of a start, and hold other starts back until the block ends.

        The block creates the container, and the label of the container is the lease: no two starts see the same GPU
        free. When the block ends without an error the student leaves the queue.

        Args:
            student: who starts.
            gpu: the rules for the student.
            container: as for `snapshot`.
            with_gpu: whether the student wants a GPU.

        Raises:
            EngineAwayError: the engine does not answer.
        """
        async with self._allocating if may_queue(gpu, self._settings) else nullcontext():
            allocation = (await self.snapshot(student, gpu, container)).allocate(student) if with_gpu else _NOT_WANTED
            yield allocation
            self._recent = None
            waited = queue.leave_queue(self._db, student)
            if waited is not None and isinstance(allocation, Granted):
                WAITED.observe(waited)

    async def reconcile(self) -> GpuSnapshot:
        """Update the queue and the metrics by the leases; return the snapshot with the collector's sample.

        Raises:
            EngineAwayError: the engine does not answer.
        """
        snapshot = await (await self.snapshot()).with_sample()
        update_metrics(snapshot, self._rules.values())
        return snapshot

    async def _leases(self) -> tuple[Lease, ...]:
        """Return every lease on the engine, including those of other classes."""
        return leases_of(await self._engine.call("containers", all=True, filters={"label": [LEASE]}))

    async def _recent_leases(self) -> tuple[Lease, ...]:
        if self._recent is None or time.monotonic() - self._recent[0] > _RECENT:
            self._recent = time.monotonic(), asyncio.create_task(self._leases())
        return await asyncio.shield(self._recent[1])
