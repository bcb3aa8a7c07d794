"""Tell the hub when the student was last at work, so that it stops idle servers and no others."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from logging import Logger

_PATIENCE = 20.0
"""Seconds for one report: a hub that is being restarted is told at the next one."""


def body(server: str, moment: datetime) -> str:
    """Return what the hub's activity API takes (docs: reference/rest-api, POST /users/{name}/activity)."""
    stamp = moment.isoformat().replace("+00:00", "Z")
    return json.dumps({"servers": {server: {"last_activity": stamp}}, "last_activity": stamp})


async def keep_telling(
    last: Callable[[], datetime], send: Callable[[datetime], Awaitable[Any]], interval: float, log: Logger
) -> None:
    """Send the moment of the last work whenever it has changed, for ever; a hub that is away is no error of ours.

    Args:
        last: says when the student was last at work.
        send: tells the hub; raises when the hub does not take it.
        interval: seconds between two looks, spread by a tenth so that the servers of a class do not speak in unison.
        log: gets a line when the hub is lost and when it is back.
    """
    sent: datetime | None = None
    lost = False
    while True:
        try:
            moment = last()
            if sent is None or moment > sent:
                await asyncio.wait_for(send(moment), _PATIENCE)
                sent = moment
        except Exception as error:  # noqa: BLE001 - whatever it is, a server that stops reporting is culled at work
            if not lost:
                log.warning("The hub did not take an activity report (%r). Trying again every %g s.", error, interval)
            lost = True
        else:
            if lost:
                log.info("The hub takes activity reports again.")
            lost = False
        await asyncio.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
