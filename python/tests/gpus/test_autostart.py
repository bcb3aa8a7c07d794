from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from jupyterhub import orm
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from classroom.db.models import AutostartRow, utc_now
from classroom.errors import ClassroomError
from classroom.gpus.autostart import Autostart, forget_autostart
from classroom.gpus.leases import Lease
from classroom.gpus.queue import QueueEntry
from classroom.gpus.snapshot import GpuSnapshot
from classroom.hub_api import RefusedError
from classroom.settings.models import Gpu
from support.gpus import inventory, nvidia

JOINED = utc_now()
ONE = inventory(nvidia(1))


class Hub:
    """A hub that records requests to start and stop servers, and their stages."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.stages: dict[str, str] = {}
        self.started: list[str] = []
        self.ended: list[str] = []

    async def start_server(self, name: str) -> None:
        self.started.append(name)
        if self.refuses:
            raise ClassroomError("The image is not on this machine.")
        self.stages[name] = "pending"

    async def end_server(self, name: str, reason: str) -> bool:
        assert "did not open the server" in reason
        self.ended.append(name)
        del self.stages[name]
        return True

    def stage(self, name: str) -> str | None:
        return self.stages.get(name)


def snapshot_of(*names: str, holder: str = "", offered: datetime | None = None) -> GpuSnapshot:
    """Return a machine with one GPU, which is free for the first entry unless it has a holder."""
    leases = (Lease(holder, (ONE.devices[0].name,), exclusive=True),) if holder else ()
    entries = [QueueEntry(name, JOINED, offered if number == 0 else None) for number, name in enumerate(names)]
    return GpuSnapshot(Gpu(policy="exclusive"), ONE, leases, tuple(entries))


async def update(autostart: Autostart, snapshot: GpuSnapshot) -> None:
    """Update, and let the new tasks begin."""
    await autostart.update(snapshot)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def unopened(db: Session) -> list[str]:
    return list(db.scalars(select(AutostartRow.name)))


def test_only_the_first_of_the_queue_gets_a_server_and_only_once(db: Session) -> None:
    hub = Hub()

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(3):
            await update(autostart, snapshot_of("ada", "ben", offered=JOINED))
        assert autostart.busy is False, "the server starts, so it cannot be opened yet"

    asyncio.run(scene())
    assert (hub.started, unopened(db)) == (["ada"], ["ada"])


def test_nobody_is_started_while_all_are_in_use(db: Session) -> None:
    hub = Hub()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of("ada", holder="zoe")))
    assert hub.started == []


def test_a_failed_start_is_retried_with_the_next_offer_only(db: Session) -> None:
    hub = Hub(refuses=True)
    later = JOINED + timedelta(minutes=9)

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(2):
            await update(autostart, snapshot_of("ada", offered=JOINED))
        assert autostart.start("ada", JOINED) is False, "the page knows that the start failed"
        assert autostart.start("ada", later) is True
        await update(autostart, snapshot_of("ada", offered=later))

    asyncio.run(scene())
    assert (hub.started, unopened(db)) == (["ada", "ada"], [])


@pytest.mark.parametrize(
    ("patience", "names", "ended"),
    [(0, ("ben",), ["ada"]), (60, ("ben",), []), (0, (), [])],
    ids=["others wait", "not at once", "nobody waits"],
)
def test_an_unopened_server_is_stopped_for_the_next_student(
    db: Session, patience: float, names: tuple[str, ...], ended: list[str]
) -> None:
    hub = Hub()

    async def scene() -> None:
        autostart = Autostart(db, hub, patience)
        await update(autostart, snapshot_of("ada", offered=JOINED))
        await update(autostart, snapshot_of(*names, holder="ada"))
        assert hub.ended == [], "it starts"
        hub.stages["ada"] = "ready"
        await update(autostart, snapshot_of(*names, holder="ada"))

    asyncio.run(scene())
    assert hub.ended == ended


def test_a_restarted_hub_knows_unopened_servers(db: Session) -> None:
    hub = Hub()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    asyncio.run(update(Autostart(db, hub, 0), snapshot_of("ben", holder="ada")))
    assert hub.ended == ["ada"]


def test_an_open_notebook_keeps_its_server(db: Session) -> None:
    hub = Hub()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    forget_autostart(db, "ada")
    forget_autostart(db, "nobody")
    asyncio.run(update(Autostart(db, hub, 0), snapshot_of("ben", holder="ada")))
    assert (hub.ended, unopened(db)) == ([], [])


@pytest.mark.parametrize(
    ("client", "age", "kept"),
    [("jupyterhub-user-ada", -1, True), ("jupyterhub-user-ada", 60, False), ("jupyterhub", -1, False)],
    ids=["to this server", "to an earlier one", "to the hub alone"],
)
def test_a_student_who_has_logged_in_to_the_server_keeps_it(
    db: Session, client: str, age: float, *, kept: bool
) -> None:
    hub = Hub()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    db.add(orm.User(name="ada"))
    db.commit()
    signed_in = utc_now() - timedelta(seconds=age)
    db.add(orm.OAuthClient(identifier=client, redirect_uri="/"))
    db.commit()
    user = orm.User.find(db, "ada")
    db.add(orm.APIToken(user=user, client_id=client, last_activity=signed_in, hashed="x:1:y:z", prefix="x"))
    db.commit()
    asyncio.run(update(Autostart(db, hub, 0), snapshot_of("ben", holder="ada")))
    assert hub.ended == ([] if kept else ["ada"])


def test_the_record_of_a_stopped_server_is_deleted(db: Session) -> None:
    hub = Hub()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of("ada", offered=JOINED)))
    hub.stages.clear()
    asyncio.run(update(Autostart(db, hub, 60), snapshot_of()))
    assert unopened(db) == []


def test_a_postponed_start_is_retried_with_the_same_offer(db: Session) -> None:
    class Busy(Hub):
        async def start_server(self, name: str) -> None:
            self.started.append(name)
            if len(self.started) == 1:
                raise RefusedError("Too many users trying to log in right now.", 429, {})

    hub = Busy()

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(3):
            await update(autostart, snapshot_of("ada", offered=JOINED))

    asyncio.run(scene())
    assert hub.started == ["ada", "ada"]


def test_a_database_error_loses_no_turn(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()

    def locked() -> None:
        monkeypatch.undo()
        raise OperationalError("COMMIT", {}, Exception("database is locked"))

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        monkeypatch.setattr(db, "commit", locked)
        for _ in range(2):
            await update(autostart, snapshot_of("ada", offered=JOINED))

    asyncio.run(scene())
    assert (hub.started, unopened(db)) == (["ada"], ["ada"])
