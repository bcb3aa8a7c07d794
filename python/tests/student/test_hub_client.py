from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("jupyterhub")

from tornado.web import HTTPError

from classroom.student import hub_client

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from student.student_site import Hub


def client(hub: Hub) -> hub_client.CachingHubOAuth:
    return hub_client.CachingHubOAuth(
        api_url=f"{hub.url}/hub/api", api_token=hub.token, oauth_client_id="x", access_scopes={"access:servers"}
    )


async def name(oauth: hub_client.CachingHubOAuth, token: str) -> str | None:
    oauth.cache.clear()  # as after five minutes
    found: dict[str, Any] | None = await oauth.user_for_token(token, sync=False)
    return found and found["name"]


def test_a_login_is_valid_for_an_hour_without_the_hub_and_new_ones_are_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        oauth = client(hub)
        assert await name(oauth, hub.token) == "tests"
        assert await name(oauth, "nonsense") is None
        hub.kill()
        assert await name(oauth, hub.token) == "tests"
        await refused(name(oauth, "nonsense"))
        await refused(name(oauth, "never seen"))
        later = time.monotonic() + hub_client.LOGIN_CACHE_SECONDS + 1
        monkeypatch.setattr(hub_client.time, "monotonic", lambda: later)
        await refused(name(oauth, hub.token))

    async def refused(question: Awaitable[Any]) -> None:
        with pytest.raises(HTTPError):
            await question

    try:
        asyncio.run(scenario())
    finally:
        monkeypatch.undo()
        hub.start()


@pytest.mark.attack(92)
def test_a_login_that_the_hub_revokes_ends_at_once(hub: Hub) -> None:
    async def scenario() -> None:
        hub.request("POST", "users/guest")
        token = hub.request("POST", "users/guest/tokens", json={}).raise_for_status().json()
        oauth = client(hub)
        assert await name(oauth, token["token"]) == "guest"
        hub.request("DELETE", f"users/guest/tokens/{token['id']}").raise_for_status()
        assert await name(oauth, token["token"]) is None

    asyncio.run(scenario())
