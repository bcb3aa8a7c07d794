"""The hub's word that it is about to stop the server, for the open notebook (`lab/extensions`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PATIENCE = 20.0  # seconds; a hub that is being restarted is asked again
_LATER = 300
"""Seconds until the next question to a hub that does not answer it: an older one, or one that is away."""


class NoticeHandler(APIHandler):
    """`GET api/classroom/notice`: as the hub's `/api/classroom/notices/<name>` says."""

    def initialize(self, ask: Callable[[], Awaitable[Any]]) -> None:
        """Take what asks the hub."""
        super().initialize()
        self._ask = ask

    @web.authenticated
    async def get(self) -> None:
        """Pass the hub's answer on; nothing to say while it has none."""
        try:
            found = await asyncio.wait_for(self._ask(), _PATIENCE)
        except Exception as error:  # noqa: BLE001 - refused, reset, timed out, 404 of another hub: all mean "nothing"
            self.log.debug("The hub has no word on notices: %r", error)
            found = {"reason": None, "again": _LATER}
        self.finish(found)
