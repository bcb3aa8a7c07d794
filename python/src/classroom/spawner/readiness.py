"""Find out soon that a server answers, or that it never will."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
from jupyterhub.httpclient import fetch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PAUSE = 0.2  # seconds. Upstream waits up to 5 between two looks: a student's server was ready for 4 before it was seen
_CHECK = 2.0  # seconds
# The address of a container that has gone swallows what is sent to it: there is no refusal to wait for.
_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=1)


async def answers(url: str, is_gone: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until something answers a GET with less than a server error; bounded by who calls.

    Args:
        url: what to ask for.
        is_gone: says, every two seconds, whether there is nothing more to wait for.

    Returns:
        whether it answers; False when it is gone.
    """
    checked = time.monotonic()
    while True:
        try:
            response = await fetch(url, timeout=_TIMEOUT, raise_for_status=False)
            if response.status < 500:
                return True
        except (OSError, aiohttp.ClientError):
            pass  # nobody listens yet
        if time.monotonic() - checked > _CHECK:
            if await is_gone():
                return False
            checked = time.monotonic()
        await asyncio.sleep(_PAUSE)
