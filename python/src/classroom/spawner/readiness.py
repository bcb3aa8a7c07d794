"""Server readiness: wait until a new server answers, or has ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
from jupyterhub.httpclient import fetch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PAUSE = 0.2  # seconds. Upstream pauses up to 5: a ready server then waited 4 seconds for nothing
_CHECK = 2.0  # seconds
# The address of a removed container drops all packets: no refusal comes back.
_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=1)


async def answers(url: str, is_gone: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until a GET is answered without a server error; the caller limits the time.

    Args:
        url: of the request.
        is_gone: tells whether the server has ended; called every two seconds.

    Returns:
        whether it answers; False when it has ended.
    """
    checked = time.monotonic()
    while True:
        try:
            response = await fetch(url, timeout=_TIMEOUT, raise_for_status=False)
            if response.status < 500:
                return True
        except (OSError, aiohttp.ClientError):
            pass  # no process listens yet
        if time.monotonic() - checked > _CHECK:
            if await is_gone():
                return False
            checked = time.monotonic()
        await asyncio.sleep(_PAUSE)
