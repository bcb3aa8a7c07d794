"""Logins: asked of the hub, and remembered while it is away."""

from __future__ import annotations

import time
from typing import Any

from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado.web import HTTPError
from traitlets import default

REMEMBERED = 3600.0
"""Seconds for which a login goes on without the hub."""


class PatientHubOAuth(HubOAuth):
    """Upstream's client of the hub, which forgets logins after five minutes.

    A hub that is away for longer would answer every save of a student with a 500.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

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
            if known is None or not _hub_is_away(error) or time.monotonic() - then > REMEMBERED:
                raise
            return known
        if cache_key and user:
            self._known[cache_key] = (time.monotonic(), user)
        elif cache_key:
            self._known.pop(cache_key, None)
        return user


def _hub_is_away(error: HTTPError) -> bool:
    # 502 is upstream's for whatever the hub, or the proxy before it, answers above 499. Nothing else tells a refused
    # connection from an answer of the hub that means no.
    return error.status_code == 502 or str(error.log_message).startswith("Failed to connect to Hub API")


class StudentIdentityProvider(JupyterHubIdentityProvider):
    """Upstream's provider with that client."""

    @default("hub_auth")
    def _default_hub_auth(self) -> HubOAuth:
        return PatientHubOAuth(parent=self)
