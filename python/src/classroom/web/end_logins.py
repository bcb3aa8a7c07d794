"""End of a user's logins at students' servers, which cache what the hub says about a cookie."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyterhub.utils import url_path_join
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from classroom.student import logins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyterhub.handlers.base import BaseHandler

_TIMEOUT = 5  # seconds


async def end_logins(handler: BaseHandler, names: Iterable[str], *, visited_too: bool = True) -> None:
    """Make servers ask the hub about each login again, and close their websockets.

    Call this after the sessions and tokens were deleted. It waits until the servers have answered, some seconds at
    most.

    Args:
        handler: of the request that ended the sessions.
        names: of the users.
        visited_too: also the servers of others, if one of the users is an instructor, who may have opened any.
    """
    users = [user for name in names if (user := handler.find_user(name)) is not None]
    if visited_too and any(user.admin for user in users):
        users = list(handler.users.values())
    servers = [spawner for user in users for spawner in user.spawners.values() if spawner.ready]
    await asyncio.gather(*(_tell(handler, spawner) for spawner in servers))


async def _tell(handler: BaseHandler, spawner: Any) -> None:  # noqa: ANN401 - JupyterHub's spawners are untyped
    request = HTTPRequest(
        url_path_join(spawner.server.url, logins.PATH),
        method="DELETE",
        headers={"Authorization": logins.proof(spawner.api_token)},
        connect_timeout=_TIMEOUT,
        request_timeout=_TIMEOUT,
        # A student's code may answer in place of the server.
        follow_redirects=False,
        streaming_callback=lambda _part: None,
    )
    try:
        await AsyncHTTPClient().fetch(request)
    except Exception as error:  # noqa: BLE001 - refused, reset, timed out, 404 of an older image: all mean the same
        handler.log.warning("%s: cookies of ended sessions work for some minutes: %s", spawner._log_name, error)  # noqa: SLF001
