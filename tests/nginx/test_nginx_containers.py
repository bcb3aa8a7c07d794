"""Containers' access to the hub: the API only, under the container's own address, with limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from nginx.site import LIES, seen

if TYPE_CHECKING:
    from nginx.site import Site


def container(site: Site, address: str, headers: dict[str, str] | None = None) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=site.bridge, transport=transport, headers=headers, timeout=20)


@pytest.mark.parametrize(
    "path", ["/hub/api", "/hub/api/", "/hub/api/user", "/hub/api/oauth2/token", "/hub/api/users/alice/activity"]
)
def test_a_container_reaches_the_api_of_the_hub(site: Site, path: str) -> None:
    with container(site, "127.0.0.20") as server:
        request = seen(server.get(path))
    assert (request["server"], request["uri"]) == ("hub", path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/hub/",
        "/hub/login",
        "/hub/signup",
        "/hub/admin",
        "/hub/apix",
        "/hub/metrics",
        "/hub/api/metrics",
        "/hub/api/../login",
        "/hub/api/..%2flogin",
        "/hub/api\\..\\login",
        "/hub/api/x\\..\\..\\login",
        "/user/bob/",
        "/services/x/",
        "/classroom-pages/503.html",
    ],
)
def test_a_container_reaches_nothing_else(site: Site, path: str) -> None:
    with container(site, "127.0.0.20") as server:
        for method in ("GET", "POST"):
            request = httpx.Request(method, site.bridge, extensions={"target": path.encode()}, headers={"Host": "x"})
            answer = server.send(request)
            assert answer.status_code in {400, 404}, answer.text


@pytest.mark.parametrize("which", ["site", "tunnelled"])
def test_a_container_cannot_take_another_address(request: pytest.FixtureRequest, which: str) -> None:
    """Test a site with a trusted tunnel too, from whose address the request comes."""
    site: Site = request.getfixturevalue(which)
    with container(site, "127.0.0.1", LIES) as server:
        headers = seen(server.get("/hub/api/user"))["headers"]
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-scheme"] == headers["x-forwarded-proto"] == ["http"]
    assert not {"forwarded", "x-forwarded-port", "upgrade"} & headers.keys()


def test_a_container_cannot_send_the_hub_large_bodies(site: Site) -> None:
    with container(site, "127.0.0.21") as server:
        assert server.post("/hub/api/users/alice/activity", content=b"x" * 300_000).status_code == 413
        assert server.post("/hub/api/users/alice/activity", content=b"x" * 200_000).status_code == 200


def test_a_loop_in_one_container_does_not_slow_down_another(site: Site) -> None:
    with container(site, "127.0.0.22") as server, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: server.get("/hub/api/user").status_code, range(600)))
    assert set(statuses) == {200, 429}
    with container(site, "127.0.0.23") as other:
        assert {other.get("/hub/api/user").status_code for _ in range(100)} == {200}


@pytest.mark.attack(75)
def test_a_container_cannot_bypass_the_limit_on_passwords(site: Site) -> None:
    with container(site, "127.0.0.24") as server:
        statuses = [server.post("/hub/api/users/teacher/tokens").status_code for _ in range(60)]
    assert statuses.count(200) <= 25
