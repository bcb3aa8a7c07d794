from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from classroom.db.models import AutostartRow
from classroom.errors import ClassroomError
from classroom.gpus.autostart import Autostart
from classroom.gpus.controller import GpuController
from classroom.gpus.snapshot import GpuSnapshot
from classroom.notices import NoticeBoard
from classroom.settings.models import Settings
from support.gpus import inventory, nvidia


class FailingAutostart(Autostart):
    """An autostart that fails."""

    def __init__(self, db: Session, fails: Callable[[Session], None]) -> None:
        super().__init__(db, cast("Any", None), 60)
        self._fails = fails

    async def update(self, snapshot: GpuSnapshot) -> None:
        assert snapshot.inventory.devices
        self._fails(self._db)


def is_locked(_db: Session) -> None:
    raise OperationalError("COMMIT", {}, Exception("database is locked"))


def is_left_half_done(db: Session) -> None:
    db.execute(text("INSERT INTO classroom_offers VALUES ('ada', '2027-01-15')"))
    db.commit()
    db.add(AutostartRow(name="ada"))
    db.flush()


def is_away(_db: Session) -> None:
    raise ClassroomError("the engine is away")


def is_wrong(_db: Session) -> None:
    raise ValueError("unexpected")


@pytest.mark.parametrize("fails", [is_locked, is_left_half_done, is_away, is_wrong])
def test_a_failing_queue_stops_no_lease_from_ending(
    db: Session, monkeypatch: pytest.MonkeyPatch, fails: Callable[[Session], None]
) -> None:
    settings = Settings.model_validate({"gpu": {"policy": "exclusive"}})

    class Scheduler:
        async def reconcile(self) -> GpuSnapshot:
            return GpuSnapshot(settings.gpu, inventory(nvidia(1)), ())

    autostart, stop = FailingAutostart(db, fails), cast("Any", None)
    controller = GpuController(
        settings, cast("Any", Scheduler()), db, notices=NoticeBoard(), autostart=autostart, stop=stop
    )
    acted = asyncio.Event()

    async def act(_snapshot: GpuSnapshot) -> None:
        db.execute(text("SELECT 1"))
        acted.set()

    monkeypatch.setattr(controller, "_act", act)

    async def scene() -> None:
        task = asyncio.create_task(controller.run())
        await asyncio.wait_for(acted.wait(), 5)
        task.cancel()

    asyncio.run(scene())


def test_the_failing_flush_of_these_tests_fails(db: Session) -> None:
    with pytest.raises(IntegrityError):
        is_left_half_done(db)
