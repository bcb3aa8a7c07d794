"""What a student who wants to start now is offered: the machine and the engine are asked, nothing is remembered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from classroom.db.models import utc_now
from classroom.gpus import queue, usage
from classroom.gpus.allocation import Allocation, Busy, Capacity, Claim, Granted, capacity_of
from classroom.gpus.inventory import Inventory, cdi_cache_at
from classroom.gpus.leases import LEASE, Lease, leases
from classroom.gpus.reservations import store
from classroom.gpus.reservations.policy import Reservation, claims, device_pools
from classroom.gpus.telemetry.sample import read
from classroom.settings.groups import configured_members, gpu_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from classroom.docker.client import Engine
    from classroom.gpus.queue import QueueEntry
    from classroom.gpus.reservations.policy import Pools
    from classroom.gpus.telemetry.sample import Sample
    from classroom.settings.models import Gpu, Settings

    Rules = Callable[[Sequence[str]], Mapping[str, Gpu]]
    """The rules that hold for students of these names."""

WITHOUT = "no"
"""The one value of the one option of a start."""

_RECENT = 1.0  # seconds

_lately: dict[Engine, tuple[float, asyncio.Task[tuple[Lease, ...]]]] = {}
"""What the engine was last asked, and when."""


@dataclass(frozen=True)
class GpuSnapshot:
    """The GPUs, who has them and who waits for them, as one student finds them."""

    gpu: Gpu
    """The rules for that student."""
    inventory: Inventory
    leases: tuple[Lease, ...]
    queue: tuple[QueueEntry, ...] = ()
    others: Mapping[str, Gpu] = field(default_factory=dict)
    """The rules for those in line, where they are not the same."""
    reserved: tuple[Reservation, ...] = ()
    """Reservations that are not over."""
    claims: tuple[Claim, ...] = ()
    """The devices that those in force keep."""
    in_force: tuple[Reservation, ...] = ()
    """Those of the reservations that keep devices now, a while before they begin."""
    pools: Pools = lambda _group: ()
    """Of which devices they are."""
    used: Mapping[str, float] | None = None
    """What each has used lately, in seconds, where that decides who is first in line."""
    sample: Sample | None = None
    """The sampler's last word, if it was asked (`measured`) and is fresh."""

    @cached_property
    def _rooms(self) -> tuple[Capacity, ...]:
        """The machine as each of those in line finds it, and at the end as somebody new does."""
        found = [capacity_of(self.inventory, self.leases, self.claims)]
        for each in self.queue:
            gpu, before = self.rules(each.name), found[-1]
            found.append(before.after(gpu, before.answer(gpu, each.name), each.name))
        return tuple(found)

    def room(self, leases: Sequence[Lease]) -> Capacity:
        """The machine with these leases in the place of those that there are."""
        return capacity_of(self.inventory, leases, claims(self.pools, self.inventory, leases, self.in_force))

    def rules(self, student: str) -> Gpu:
        """What holds for one of those in line."""
        return self.others.get(student, self.gpu)

    def place(self, student: str) -> int | None:
        """How many are in line before a student; None if the student is not in it."""
        return queue.position_in(self.queue, student)

    def answer(self, student: str) -> Allocation:
        """What the student gets now. Those who came before have their GPUs first, even if they have not started."""
        gpu = self.rules(student)
        at_once = self._rooms[0].answer(gpu, student)
        if isinstance(at_once, Busy) and isinstance(replace(self._rooms[0], claims=()).answer(gpu), Granted):
            return Busy("All GPUs are in use, or reserved.")
        if not isinstance(at_once, Granted):
            return at_once
        before = self.place(student)
        found = self._rooms[-1 if before is None else before].answer(gpu, student)
        if isinstance(found, Busy):
            return Busy("All GPUs are in use, or kept for those who wait in line.")
        return found


def has_queue(gpu: Gpu) -> bool:
    """Whether students may have to wait."""
    return gpu.policy in {"exclusive", "shared"}


def may_queue(gpu: Gpu, settings: Settings) -> bool:
    """Whether a student with these rules may find all GPUs in use, by theirs or by those of another group."""
    return gpu.policy != "none" and any(map(has_queue, gpu_rules(settings).values()))


async def discover_gpus(gpu: Gpu) -> Inventory:
    """The machine's GPUs as its files say now."""
    return await asyncio.to_thread(cdi_cache_at(gpu.cdi_dirs).read)


async def all_leases(engine: Engine) -> tuple[Lease, ...]:
    """Every lease on the engine, those of other classes on it too.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    return leases(await engine.call("containers", all=True, filters={"label": [LEASE]}))


async def recent_leases(engine: Engine) -> tuple[Lease, ...]:
    """As `all_leases`, and up to a second old: however many pages ask, the engine is asked once in that time."""
    asked, answer = _lately.get(engine, (0.0, None))
    if answer is None or time.monotonic() - asked > _RECENT:
        answer = asyncio.create_task(all_leases(engine))
        _lately[engine] = time.monotonic(), answer
    return await asyncio.shield(answer)


def forget_recent(engine: Engine) -> None:
    """Have the next page ask the engine: there is a new lease."""
    _lately.pop(engine, None)


async def look(  # noqa: PLR0913 - all that is asked
    engine: Engine,
    gpu: Gpu,
    db: Session,
    container: str,
    rules: Rules = lambda _names: {},
    *,
    settings: Settings,
    recent: bool = False,
) -> GpuSnapshot:
    """Ask the machine, the engine and the line.

    Args:
        engine: the class's engine.
        gpu: the rules for the student.
        db: the hub's database.
        container: the student's. What an earlier one of that name holds is the same student's.
        rules: gives the rules for those in line, as far as they are not the same.
        settings: of the class, which say what can be reserved, for whom, and who is first.
        recent: an answer of the engine that is a second old will do.

    Raises:
        EngineAwayError: the engine does not answer.
    """
    if gpu.policy == "none":
        return GpuSnapshot(gpu, Inventory(), ())
    inventory, found = await discover_gpus(gpu), await (recent_leases if recent else all_leases)(engine)
    held = tuple(lease for lease in found if lease.container != container)
    when = utc_now()
    reserved = store.list_reservations(db, when, configured_members(settings))
    # Who started just before it begins would have it while the lecture waits.
    lead = timedelta(seconds=settings.gpu.notice)
    in_force = tuple(each for each in reserved if each.holds(when, lead))
    pools = device_pools(settings, inventory)
    claimed = claims(pools, inventory, held, in_force)
    others = rules([each.name for each in queue.read_queue(db)])
    used = usage.recent_use(db) if settings.gpu.prefer_least_used else None
    room = capacity_of(inventory, held, claimed)
    waiting = queue.update_queue(db, gpu, room, held, lambda name: others.get(name, gpu), used=used)
    return GpuSnapshot(gpu, inventory, held, waiting, others, reserved, claimed, in_force, pools, used)


async def measured(view: GpuSnapshot) -> GpuSnapshot:
    """The same with the sampler's last word, for those who show it; a start needs none."""
    return replace(view, sample=await asyncio.to_thread(read, view.gpu.samples))


def wants_gpu(options: Mapping[str, object]) -> bool | None:
    """What the options of a start say; None when they say anything but ``{"gpu": "no"}`` or nothing."""
    if not options:
        return True
    return False if dict(options) == {"gpu": WITHOUT} else None


def options_from_form(form: Mapping[str, list[str]]) -> dict[str, object]:
    """Options as the start page's form or a link says them; `wants_gpu` judges them."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}
