"""Whose turn it is gets the server started by the hub; one that nobody opens is stopped when others wait.

What has been opened is known by two signs: the notebook's question for notices, and a browser that signed in to the
server. Both outlive a restart of the hub, which gives who has not come yet as long again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from jupyterhub import orm
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from classroom.db.models import AutostartRow, utc_now
from classroom.errors import ClassroomError
from classroom.gpus.allocation import Busy
from classroom.gpus.metrics import ENDED
from classroom.hub_api import RefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.gpus.snapshot import GpuSnapshot

_SERVERS = "jupyterhub-user-"
"""How JupyterHub's names of servers begin where browsers sign in to them."""

_PUT_OFF = 429
"""What JupyterHub answers while too many servers start at once."""

_log = logging.getLogger(__name__)


class Host(Protocol):
    """The hub, as far as it starts and stops students' servers."""

    async def start_server(self, name: str) -> None:
        """Start a student's server, or find it starting; it may take longer than this."""

    async def end_server(self, name: str, reason: str) -> bool:
        """Stop a student's server; False if it cannot be stopped now."""

    def stage(self, name: str) -> str | None:
        """`pending` while a student's server starts or stops, `ready` while it runs; None without one."""


def forget(db: Session, name: str) -> None:
    """Note that no server waits for a student to come: it has been opened, has gone, or was never started."""
    if offer := db.get(AutostartRow, name):
        db.delete(offer)
        db.commit()


class Autostart:
    """Starts servers for those in line, and takes back what they do not come for."""

    def __init__(self, db: Session, host: Host, patience: float) -> None:
        """Nobody's turn has come.

        Args:
            db: the hub's database.
            host: the hub.
            patience: seconds that a server which runs waits for its student while others wait for a GPU.
        """
        self._db, self._host, self._patience = db, host, patience
        self._tried: dict[str, datetime | None] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._ready: dict[str, float] = {}

    def begin(self, name: str, offered: datetime | None) -> bool:
        """Start a student's server, once for each time that a GPU is offered.

        Args:
            name: the student's.
            offered: since when a GPU is kept for them.

        Returns:
            whether it is on its way; False if it was tried and failed.
        """
        if name in self._starting:
            return True
        if name in self._tried and self._tried[name] == offered:
            return False
        self._tried[name] = offered
        self._starting[name] = asyncio.create_task(self._start(name))
        return True

    async def _start(self, name: str) -> None:
        _log.info("It is %s's turn: the server is started", name)
        try:
            self._db.merge(AutostartRow(name=name, made=utc_now()))
            self._db.commit()
            await self._host.start_server(name)
        except SQLAlchemyError:
            _log.exception("%s's server is not started yet", name)
            self._db.rollback()
            self._tried.pop(name, None)
        except ClassroomError as error:
            _log.warning("%s's server cannot be started: %s", name, error)
            forget(self._db, name)
            if isinstance(error, RefusedError) and error.status == _PUT_OFF:
                self._tried.pop(name, None)
        finally:
            del self._starting[name]

    async def review(self, view: GpuSnapshot) -> None:
        """Start those whose turn it is, and stop what has waited for its student in vain.

        Args:
            view: the machine and the line as they are.
        """
        waiting = {each.name: each.offered for each in view.queue}
        self._tried = {name: offered for name, offered in self._tried.items() if name in waiting}
        for name, offered in waiting.items():
            if not isinstance(view.answer(name), Busy):
                self.begin(name, offered)
        untaken = self._untaken()
        self._ready = {name: since for name, since in self._ready.items() if name in untaken}
        for name in untaken:
            since = self._ready.setdefault(name, time.monotonic())
            if not view.queue or time.monotonic() - since < self._patience:
                continue
            if await self._host.end_server(name, "It was your turn, but nobody opened the server: the GPU passed on."):
                ENDED.labels("not opened").inc()
                forget(self._db, name)

    @property
    def busy(self) -> bool:
        """Whether there is a server that nobody has opened."""
        return bool(self._starting or self._ready)

    def _untaken(self) -> list[str]:
        """The students whose servers run and that they have not opened; those that have gone are forgotten."""
        found = []
        for offer in self._db.scalars(select(AutostartRow)).all():
            stage = "pending" if offer.name in self._starting else self._host.stage(offer.name)
            if stage is None or (stage == "ready" and _has_signed_in(self._db, offer)):
                forget(self._db, offer.name)
            elif stage == "ready":
                found.append(offer.name)
        return found


def _has_signed_in(db: Session, offer: AutostartRow) -> bool:
    tokens = (
        select(orm.APIToken.id)
        .join(orm.User, orm.APIToken.user_id == orm.User.id)
        .where(
            orm.User.name == offer.name,
            orm.APIToken.client_id.startswith(_SERVERS),
            orm.APIToken.last_activity >= offer.made,
        )
    )
    return db.scalar(tokens.limit(1)) is not None
