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
    """What the hub is asked to do with servers, and how far they have come."""

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


def seen(*line: str, holder: str = "", offered: datetime | None = None) -> GpuSnapshot:
    """A machine with one GPU that the first in line may have, unless it has a holder."""
    leases = (Lease(holder, (ONE.devices[0].name,), exclusive=True),) if holder else ()
    places = [QueueEntry(name, JOINED, offered if number == 0 else None) for number, name in enumerate(line)]
    return GpuSnapshot(Gpu(policy="exclusive"), ONE, leases, tuple(places))


async def settled(autostart: Autostart, view: GpuSnapshot) -> None:
    """One look, and what it has begun."""
    await autostart.update(view)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def untaken(db: Session) -> list[str]:
    return list(db.scalars(select(AutostartRow.name)))


def test_whose_turn_it_is_gets_a_server_once_and_nobody_else_does(db: Session) -> None:
    hub = Hub()

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(3):
            await settled(autostart, seen("ada", "ben", offered=JOINED))
        assert autostart.busy is False, "it starts: nobody need open it yet"

    asyncio.run(scene())
    assert (hub.started, untaken(db)) == (["ada"], ["ada"])


def test_nobody_is_started_while_all_are_in_use(db: Session) -> None:
    hub = Hub()
    asyncio.run(settled(Autostart(db, hub, 60), seen("ada", holder="zoe")))
    assert hub.started == []


def test_a_start_that_fails_is_tried_again_with_the_next_offer_only(db: Session) -> None:
    hub = Hub(refuses=True)
    later = JOINED + timedelta(minutes=9)

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(2):
            await settled(autostart, seen("ada", offered=JOINED))
        assert autostart.start("ada", JOINED) is False, "the page is told that it was tried"
        assert autostart.start("ada", later) is True
        await settled(autostart, seen("ada", offered=later))

    asyncio.run(scene())
    assert (hub.started, untaken(db)) == (["ada", "ada"], [])


@pytest.mark.parametrize(
    ("patience", "line", "ended"),
    [(0, ("ben",), ["ada"]), (60, ("ben",), []), (0, (), [])],
    ids=["others wait: it passes on", "not at once", "nobody else wants it: it stays"],
)
def test_a_server_that_nobody_opens_goes_to_the_next(
    db: Session, patience: float, line: tuple[str, ...], ended: list[str]
) -> None:
    hub = Hub()

    async def scene() -> None:
        autostart = Autostart(db, hub, patience)
        await settled(autostart, seen("ada", offered=JOINED))
        await settled(autostart, seen(*line, holder="ada"))
        assert hub.ended == [], "it starts"
        hub.stages["ada"] = "ready"
        await settled(autostart, seen(*line, holder="ada"))

    asyncio.run(scene())
    assert hub.ended == ended


def test_a_hub_that_restarts_knows_which_have_not_been_opened(db: Session) -> None:
    hub = Hub()
    asyncio.run(settled(Autostart(db, hub, 60), seen("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    asyncio.run(settled(Autostart(db, hub, 0), seen("ben", holder="ada")))
    assert hub.ended == ["ada"]


def test_an_open_notebook_keeps_its_server(db: Session) -> None:
    hub = Hub()
    asyncio.run(settled(Autostart(db, hub, 60), seen("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    forget_autostart(db, "ada")
    forget_autostart(db, "nobody")
    asyncio.run(settled(Autostart(db, hub, 0), seen("ben", holder="ada")))
    assert (hub.ended, untaken(db)) == ([], [])


@pytest.mark.parametrize(
    ("client", "age", "kept"),
    [("jupyterhub-user-ada", -1, True), ("jupyterhub-user-ada", 60, False), ("jupyterhub", -1, False)],
    ids=["to this server", "to an earlier one", "to the hub alone"],
)
def test_who_has_signed_in_to_a_server_keeps_it(db: Session, client: str, age: float, *, kept: bool) -> None:
    hub = Hub()
    asyncio.run(settled(Autostart(db, hub, 60), seen("ada", offered=JOINED)))
    hub.stages["ada"] = "ready"
    db.add(orm.User(name="ada"))
    db.commit()
    signed_in = utc_now() - timedelta(seconds=age)
    db.add(orm.OAuthClient(identifier=client, redirect_uri="/"))
    db.commit()
    user = orm.User.find(db, "ada")
    db.add(orm.APIToken(user=user, client_id=client, last_activity=signed_in, hashed="x:1:y:z", prefix="x"))
    db.commit()
    asyncio.run(settled(Autostart(db, hub, 0), seen("ben", holder="ada")))
    assert hub.ended == ([] if kept else ["ada"])


def test_a_server_that_has_gone_is_forgotten(db: Session) -> None:
    hub = Hub()
    asyncio.run(settled(Autostart(db, hub, 60), seen("ada", offered=JOINED)))
    hub.stages.clear()
    asyncio.run(settled(Autostart(db, hub, 60), seen()))
    assert untaken(db) == []


def test_a_start_that_the_hub_puts_off_is_tried_again_with_the_same_offer(db: Session) -> None:
    class Busy(Hub):
        async def start_server(self, name: str) -> None:
            self.started.append(name)
            if len(self.started) == 1:
                raise RefusedError("Too many users trying to log in right now.", 429, {})

    hub = Busy()

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        for _ in range(3):
            await settled(autostart, seen("ada", offered=JOINED))

    asyncio.run(scene())
    assert hub.started == ["ada", "ada"]


def test_a_database_that_fails_once_takes_nobodys_turn(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()

    def locked() -> None:
        monkeypatch.undo()
        raise OperationalError("COMMIT", {}, Exception("database is locked"))

    async def scene() -> None:
        autostart = Autostart(db, hub, 60)
        monkeypatch.setattr(db, "commit", locked)
        for _ in range(2):
            await settled(autostart, seen("ada", offered=JOINED))

    asyncio.run(scene())
    assert (hub.started, untaken(db)) == (["ada"], ["ada"])
