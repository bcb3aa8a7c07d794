"""What is wrong with the storage, looked at every minute: a disk may go while the hub runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.storage.client import ask

if TYPE_CHECKING:
    from logging import Logger

    from classroom.settings.models import Storage

_PAUSE = 60.0  # seconds


class Watch:
    """Looks by itself as long as it is kept."""

    def __init__(self, storage: Storage, log: Logger) -> None:
        """Begin to look.

        Args:
            storage: homes that are folders.
            log: told what is wrong when that changes.
        """
        self.mistakes: tuple[str, ...] = ()
        self._task = asyncio.create_task(self._look(storage, log))

    async def _look(self, storage: Storage, log: Logger) -> None:
        while True:
            try:
                found = tuple((await ask(storage.helper, "check"))["mistakes"])
            except ClassroomError as error:
                found = (str(error),)
            if found != self.mistakes:
                self.mistakes = found
                for mistake in found:
                    log.error("Storage: %s", mistake)
                if not found:
                    log.info("Storage: mended")
            await asyncio.sleep(_PAUSE)
