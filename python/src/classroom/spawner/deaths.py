"""Events of the engine about containers that die, so that nobody waits for a server that has ended."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from classroom.docker.client import ENGINE_ERRORS, make_client, shared_engine
from classroom.docker.container import LABEL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from logging import Logger

    from classroom.settings.models import Settings

_PAUSE = 1.0  # seconds between two tries while the engine is away
_SILENCE = 600  # seconds without an event, until the connection is made again


async def watch_deaths(settings: Settings, died: Callable[[str], Awaitable[None]], log: Logger) -> None:
    """Call `died` with the name of each student whose container ends. This runs until it is cancelled.

    After a time without the engine, whose events are missing, the name is empty: any container may have ended.
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
    filters = {"type": ["container"], "event": ["die", "kill"], "label": label}
    engine = shared_engine(settings.docker.hub_host)
    since = int(time.time())
    lost = 0.0
    while not is_over.is_set():
        client = make_client(settings.docker.hub_host, _SILENCE)
        try:
            client.containers(filters={"label": label})  # raises while the engine is away, which a stream may not do
            events = client.events(since=since, filters=filters, decode=True)
            if lost:
                engine.away = (lost, time.time())
                tell("")
            for event in events:
                since = max(since, int(event["time"]))
                if event["Action"] == "die":
                    tell(event["Actor"]["Attributes"][f"{LABEL}user"])
                else:
                    engine.signalled.add(event["Actor"]["ID"])
            lost = time.time()
        except ENGINE_ERRORS:
            lost = lost or time.time()
            is_over.wait(_PAUSE)
        except Exception:
            if not is_over.wait(_PAUSE):  # otherwise it was the event loop's end
                log.exception("Events of the engine cannot be read; trying again")
        finally:
            client.close()
