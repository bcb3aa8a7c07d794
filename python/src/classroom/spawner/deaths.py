"""Events of the engine about containers that die, so that nobody waits for a server that has ended."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from classroom.docker.client import ENGINE_ERRORS, make_client
from classroom.docker.container import LABEL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from logging import Logger

    from classroom.settings.models import Settings

_PAUSE = 1.0  # seconds between two tries while the engine is away
_SILENCE = 600  # seconds without an event, until the connection is made again


async def watch_deaths(settings: Settings, died: Callable[[str], Awaitable[None]], log: Logger) -> None:
    """Call `died` with the name of each student whose container ends. This runs until it is cancelled.

    Events of a time without the engine are missing. The polls of the containers find those deaths.
    """
    loop, names = asyncio.get_running_loop(), asyncio.Queue[str]()
    is_over = threading.Event()

    def tell(name: str) -> None:
        loop.call_soon_threadsafe(names.put_nowait, name)

    # A thread that ends with the process: it may wait for an event for minutes.
    threading.Thread(target=_read, args=(settings, tell, is_over, log), daemon=True, name="deaths").start()
    try:
        while True:
            name = await names.get()
            try:
                await died(name)
            except Exception:
                log.exception("%s's server has ended, and could not be removed", name)
    finally:
        is_over.set()


def _read(settings: Settings, tell: Callable[[str], None], is_over: threading.Event, log: Logger) -> None:
    label = [f"{LABEL}network={settings.network.name}", f"{LABEL}user"]
    filters = {"type": ["container"], "event": ["die"], "label": label}
    since = int(time.time())
    while not is_over.is_set():
        client = make_client(settings.docker.hub_host, _SILENCE)
        try:
            for event in client.events(since=since, filters=filters, decode=True):
                since = max(since, int(event["time"]))
                tell(event["Actor"]["Attributes"][f"{LABEL}user"])
        except ENGINE_ERRORS:
            is_over.wait(_PAUSE)
        except Exception:
            if not is_over.wait(_PAUSE):  # otherwise it was the event loop's end
                log.exception("Events of the engine cannot be read; trying again")
        finally:
            client.close()
