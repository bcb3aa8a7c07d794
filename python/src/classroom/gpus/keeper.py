"""What the hub does about GPUs while nobody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import docker.errors

from classroom.errors import ClassroomError
from classroom.gpus import use
from classroom.gpus.metrics import show
from classroom.gpus.offer import View, look

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from classroom.engine import Engine
    from classroom.settings import Settings

_PAUSE = 15  # seconds, Prometheus' usual interval

_log = logging.getLogger(__name__)


class Keeper:
    """Looks for ever: offers that nobody takes pass on by it, use is counted, the figures are set."""

    def __init__(self, settings: Settings, engine: Engine, db: Session) -> None:
        """Look at nothing yet."""
        self._gpu, self._network = settings.gpu, settings.network.name
        self._engine, self._db = engine, db
        self._meter = use.Meter()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                self._act(await look(self._engine, self._gpu, self._db, container=""))
            except (ClassroomError, docker.errors.APIError) as error:
                _log.debug("The figures about GPUs stay as they were: %s", error)
            except Exception:  # noqa: BLE001 - the task must outlive what nobody has foreseen
                _log.exception("The figures about GPUs stay as they were")
            await asyncio.sleep(_PAUSE)

    def _act(self, view: View) -> None:
        show(view)
        mine = [lease for lease in view.leases if lease.network == self._network]
        use.add(self._db, self._meter.count(view.inventory, mine, time.monotonic()))
