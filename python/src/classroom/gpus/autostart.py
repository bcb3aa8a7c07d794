"""Autostart: the hub starts servers for the queue, and stops those that nobody opens while others wait.

A server counts as opened when its notebook asks for notices, or when a browser has logged in to it. Both signs survive
a restart of the hub. The restart gives students who have not come yet the same time again.
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
"""Prefix of the OAuth clients by which browsers log in to servers."""

_POSTPONED = 429
"""JupyterHub's status while too many servers start at once."""

_NOT_OPENED = "It was your turn, but you did not open the server in time. The next student got the GPU."

_log = logging.getLogger(__name__)


class ServerHost(Protocol):
    """The part of the hub that starts and stops students' servers."""

    async def start_server(self, name: str) -> None:
        """Start a student's server if it is not starting already; the start may take longer than this call."""

    async def end_server(self, name: str, reason: str) -> bool:
        """Stop a student's server; return False if it cannot be stopped now."""

    def stage(self, name: str) -> str | None:
        """Return `pending` while a student's server starts or stops, `ready` while it runs, None without one."""


def forget_autostart(db: Session, name: str) -> None:
    """Delete the record of a student's unopened server: it was opened, has stopped, or was never started."""
    if row := db.get(AutostartRow, name):
        db.delete(row)
        db.commit()


class Autostart:
    """Starts servers for the queue, and stops those that nobody opens."""

    def __init__(self, db: Session, host: ServerHost, patience: float) -> None:
        """Start without servers.

        Args:
            db: the hub's database.
            host: the hub.
            patience: seconds that a running server waits for its student while others wait for a GPU.
        """
        self._db, self._host, self._patience = db, host, patience
        self._tried: dict[str, datetime | None] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._ready: dict[str, float] = {}

    def start(self, name: str, offered: datetime | None) -> bool:
        """Start a student's server, once for each offer of a GPU.

        Args:
            name: the student's.
            offered: the time of the offer.

        Returns:
            whether it is starting; False if the start has failed.
        """
        if name in self._starting:
            return True
        if name in self._tried and self._tried[name] == offered:
            return False
        self._tried[name] = offered
        self._starting[name] = asyncio.create_task(self._start(name))
        return True

    async def _start(self, name: str) -> None:
        _log.info("Starting the server of %s from the queue", name)
        try:
            self._db.merge(AutostartRow(name=name, made=utc_now()))
            self._db.commit()
            await self._host.start_server(name)
        except SQLAlchemyError:
            _log.exception("The server of %s is not started yet", name)
            self._db.rollback()
            self._tried.pop(name, None)
        except ClassroomError as error:
            _log.warning("The server of %s cannot be started: %s", name, error)
            forget_autostart(self._db, name)
            if isinstance(error, RefusedError) and error.status == _POSTPONED:
                self._tried.pop(name, None)
        finally:
            del self._starting[name]

    async def update(self, snapshot: GpuSnapshot) -> None:
        """Start the servers of students who have an offer, and stop unopened servers that others wait for."""
        waiting = {entry.name: entry.offered for entry in snapshot.queue}
        self._tried = {name: offered for name, offered in self._tried.items() if name in waiting}
        for name, offered in waiting.items():
            if not isinstance(snapshot.allocate(name), Busy):
                self.start(name, offered)
        unopened = self._unopened()
        self._ready = {name: since for name, since in self._ready.items() if name in unopened}
        for name in unopened:
            since = self._ready.setdefault(name, time.monotonic())
            if not snapshot.queue or time.monotonic() - since < self._patience:
                continue
            if await self._host.end_server(name, _NOT_OPENED):
                ENDED.labels("not opened").inc()
                forget_autostart(self._db, name)

    @property
    def busy(self) -> bool:
        """Return whether there is a server that nobody has opened yet."""
        return bool(self._starting or self._ready)

    def _unopened(self) -> list[str]:
        """Return the students with a running server that they have not opened; delete outdated records."""
        names = []
        for row in self._db.scalars(select(AutostartRow)).all():
            stage = "pending" if row.name in self._starting else self._host.stage(row.name)
            if stage is None or (stage == "ready" and _has_logged_in(self._db, row)):
                forget_autostart(self._db, row.name)
            elif stage == "ready":
                names.append(row.name)
        return names


def _has_logged_in(db: Session, row: AutostartRow) -> bool:
    tokens = (
        select(orm.APIToken.id)
        .join(orm.User, orm.APIToken.user_id == orm.User.id)
        .where(
            orm.User.name == row.name,
            orm.APIToken.client_id.startswith(_SERVERS),
            orm.APIToken.last_activity >= row.made,
        )
    )
    return db.scalar(tokens.limit(1)) is not None
