"""Client of the hub in a student's server: logins, cached while the hub is away, and notices for open notebooks."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado import web
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler
from traitlets import default

from classroom.student import home_repair, logins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOGIN_CACHE_SECONDS = 3600.0
"""Seconds for which a login is valid while the hub is away."""
_NOTICE_TIMEOUT = 20.0
"""Seconds for one request: a hub that is restarting is asked again."""
_NOTICE_PAUSE = 300
"""Seconds until the next request to a hub that does not answer it: an older one, or one that is away."""


class CachingHubOAuth(HubOAuth):
    """Upstream's client of the hub, with a longer cache of logins.

    Upstream forgets logins after five minutes: while the hub is away for longer, each save would fail with a 500.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    def forget_logins(self) -> None:
        """Forget all logins, those for a time without the hub too."""
        self.cache.clear()
        self._known.clear()

    async def _check_hub_authorization(
        self,
        url: str,
        api_token: str,
        cache_key: str | None = None,
        use_cache: bool = True,  # noqa: FBT001, FBT002 - upstream's signature
    ) -> dict[str, Any] | None:
        try:
            user: dict[str, Any] | None = await super()._check_hub_authorization(url, api_token, cache_key, use_cache)
        except HTTPError as error:
            then, known = self._known.get(cache_key or "", (0.0, None))
            if known is None or not _hub_is_away(error) or time.monotonic() - then > LOGIN_CACHE_SECONDS:
                raise
            return known
        if cache_key and user:
            self._known[cache_key] = (time.monotonic(), user)
        elif cache_key:
            self._known.pop(cache_key, None)
        return user


def _hub_is_away(error: HTTPError) -> bool:
    # Upstream answers 502 for every status above 499 of the hub, or of the proxy before it. A refused connection can
    # only be told from a refusal by the hub by its message.
    return error.status_code == 502 or str(error.log_message).startswith("Failed to connect to Hub API")


class StudentIdentityProvider(JupyterHubIdentityProvider):
    """Upstream's provider with the client above, and with a list of the open websockets."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self._sockets: WeakSet[WebSocketHandler] = WeakSet()

    @default("hub_auth")
    def _default_hub_auth(self) -> HubOAuth:
        return CachingHubOAuth(parent=self)

    async def get_user(self, handler: Any) -> Any:  # noqa: ANN401 - upstream's signature
        """Return the user of a request, and remember it if it opens a websocket."""
        if isinstance(handler, WebSocketHandler):
            self._sockets.add(handler)
        return await super().get_user(handler)

    def end_logins(self) -> None:
        """Ask the hub about each login again, and close all websockets. A browser with a valid login reconnects."""
        self.hub_auth.forget_logins()
        for socket in list(self._sockets):
            socket.close()


class LoginsHandler(web.RequestHandler):
    """`DELETE api/classroom/logins`: the hub ended sessions. It proves that it knows the server's own token."""

    def initialize(self, provider: StudentIdentityProvider) -> None:
        """Store the provider."""
        self._provider = provider

    def check_xsrf_cookie(self) -> None:
        """Check nothing: the request needs the proof, which no browser sends by itself."""

    @allow_unauthenticated
    def delete(self) -> None:
        """End the cached logins and the websockets."""
        expected = logins.proof(self._provider.hub_auth.api_token)
        if not hmac.compare_digest(self.request.headers.get("Authorization", "").encode(), expected.encode()):
            raise HTTPError(403)
        self._provider.end_logins()
        self.set_status(204)


class NoticeHandler(APIHandler):
    """`GET api/classroom/notice`: the answer of the hub's `/api/classroom/notices/<name>`, and repairs of the home."""

    def initialize(self, fetch_notice: Callable[[], Awaitable[Any]]) -> None:
        """Store the function that calls the hub."""
        super().initialize()
        self._fetch_notice = fetch_notice

    @web.authenticated
    async def get(self) -> None:
        """Answer as the hub does, or that there is no notice while the hub does not answer."""
        try:
            notice = await asyncio.wait_for(self._fetch_notice(), _NOTICE_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - refused, reset, timed out, 404 of another hub: all mean "none"
            self.log.debug("The hub does not answer requests for notices: %r", error)
            notice = {"reason": None, "again": _NOTICE_PAUSE}
        self.finish({**notice, "home": home_repair.sentences})
