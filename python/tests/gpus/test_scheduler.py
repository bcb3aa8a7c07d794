from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from classroom.db.models import QueueRow, utc_now
from classroom.gpus import queue
from classroom.gpus.allocation import Busy, Granted, NoGpu
from classroom.gpus.leases import lease_labels
from classroom.gpus.scheduler import GpuScheduler
from classroom.settings.models import Settings
from support.gpus import nvidia

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session


class FakeEngine:
    """An engine that lists the containers of its students, after a pause in which others run."""

    def __init__(self) -> None:
        self.containers: list[dict[str, Any]] = []
        self.calls = 0

    async def call(self, _method: str, **_arguments: object) -> list[dict[str, Any]]:
        self.calls += 1
        containers = list(self.containers)
        await asyncio.sleep(0)
        return containers

    def create(self, student: str, granted: Granted) -> None:
        labels = lease_labels(granted.names, granted.identities, "exclusive")
        labels["org.classroom.user"] = student
        self.containers.append({"State": "running", "Names": [f"/c-{student}"], "Labels": labels})


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def scheduler(engine: FakeEngine, db: Session, tmp_path: Path) -> GpuScheduler:
    (tmp_path / "nvidia.json").write_text(json.dumps(nvidia(1)))
    settings = Settings.model_validate({"gpu": {"policy": "exclusive", "cdiDirs": [str(tmp_path)]}})
    return GpuScheduler(settings, cast("Any", engine), db)


async def start(scheduler: GpuScheduler, engine: FakeEngine, student: str, *, with_gpu: bool = True) -> object:
    gpu = (await scheduler.snapshot()).gpu
    async with scheduler.allocate(student, gpu, f"c-{student}", with_gpu=with_gpu) as allocation:
        await asyncio.sleep(0)
        if isinstance(allocation, Granted):
            engine.create(student, allocation)
    return allocation


def test_two_starts_at_once_never_get_the_same_gpu(scheduler: GpuScheduler, engine: FakeEngine) -> None:
    async def both() -> list[object]:
        return await asyncio.gather(*(start(scheduler, engine, name) for name in ("ada", "ben")))

    assert {type(allocation) for allocation in asyncio.run(both())} == {Granted, Busy}


def test_a_students_own_earlier_container_is_no_obstacle(scheduler: GpuScheduler, engine: FakeEngine) -> None:
    async def twice() -> list[object]:
        return [await start(scheduler, engine, "ada") for _ in range(2)]

    assert all(isinstance(allocation, Granted) for allocation in asyncio.run(twice()))


def test_a_start_leaves_the_queue_and_a_failed_one_does_not(
    scheduler: GpuScheduler, engine: FakeEngine, db: Session
) -> None:
    queue.join_queue(db, "ada")

    async def fail() -> None:
        async with scheduler.allocate("ada", (await scheduler.snapshot()).gpu, "c-ada"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert [entry.name for entry in queue.read_queue(db)] == ["ada"]
    asyncio.run(start(scheduler, engine, "ada"))
    assert queue.read_queue(db) == ()


def test_a_cancelled_start_lets_the_next_one_through(scheduler: GpuScheduler, engine: FakeEngine, db: Session) -> None:
    async def cancelled() -> object:
        queue.join_queue(db, "ada")
        gpu = (await scheduler.snapshot()).gpu
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01), scheduler.allocate("ada", gpu, "c-ada"):
                await asyncio.sleep(60)
        return await asyncio.wait_for(start(scheduler, engine, "ada"), 10)

    assert isinstance(asyncio.run(cancelled()), Granted)


def test_a_start_without_a_gpu_gets_none(scheduler: GpuScheduler, engine: FakeEngine) -> None:
    assert isinstance(asyncio.run(start(scheduler, engine, "ada", with_gpu=False)), NoGpu)


def test_many_pages_ask_the_engine_once_a_second_and_a_start_makes_them_ask_again(
    scheduler: GpuScheduler, engine: FakeEngine
) -> None:
    async def pages() -> None:
        await asyncio.gather(*(scheduler.snapshot(f"s{number}", recent=True) for number in range(50)))
        assert engine.calls == 1
        await start(scheduler, engine, "ada")
        calls = engine.calls
        snapshot = await scheduler.snapshot("ben", recent=True)
        assert engine.calls == calls + 1
        assert [lease.holder for lease in snapshot.leases] == ["ada"]

    asyncio.run(pages())


def test_the_controllers_round_advances_the_queue(scheduler: GpuScheduler, db: Session) -> None:
    queue.join_queue(db, "ada")
    snapshot = asyncio.run(scheduler.reconcile())
    assert [entry.offered is not None for entry in snapshot.queue] == [True]
    assert isinstance(snapshot.allocate("ada"), Granted)
    assert isinstance(snapshot.allocate("ben"), Busy)


def test_the_instructors_page_shows_the_queue_and_changes_nothing(scheduler: GpuScheduler, db: Session) -> None:
    long_ago = utc_now() - timedelta(days=1)
    db.add(QueueRow(name="ada", joined=long_ago))
    db.commit()
    snapshot = asyncio.run(scheduler.snapshot(advance=False))
    assert [(entry.name, entry.offered) for entry in snapshot.queue] == [("ada", None)]
    assert [entry.name for entry in queue.read_queue(db)] == ["ada"]
    assert asyncio.run(scheduler.snapshot()).queue == ()
