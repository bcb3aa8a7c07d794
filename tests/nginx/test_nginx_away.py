"""Errors of Nginx while a part is away: a page for browsers, a status for scripts, and recovery by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nginx.site import GATE, NAVIGATION, OLD_NAVIGATION, PAGES, SCRIPT, RealProxy, serving
from nginx.upstreams import Upstream
from support.network import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nginx.site import Site

BACK_SOON = (PAGES / "503.html").read_text()


@pytest.fixture(scope="module")
def deserted(directory: Path) -> Iterator[Site]:
    """Run a site without hub and proxy."""
    with serving(directory, "deserted", f"127.0.0.1:{free_port()}", f"unix:{directory / 'nobody.sock'}") as site:
        yield site


def is_back_soon(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.text) == (503, BACK_SOON)
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("Cache-Control") == ["no-store"]
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("how", [NAVIGATION, OLD_NAVIGATION], ids=["https", "plain-http"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "page", ["/favicon.ico", "/hub/login", "/hub/user/alice/lab", "/user/alice/lab", "/services/x/"]
)
def test_a_browser_gets_a_page_back_in_a_moment(deserted: Site, page: str, method: str, how: dict[str, str]) -> None:
    with deserted.client(headers=how) as browser:
        is_back_soon(browser.request(method, page, content=b"a=b" if method == "POST" else None))


SCRIPTS: dict[str, dict[str, str]] = {
    "fetch": SCRIPT,
    "fetch-of-html": {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
    "plain-http": {"Accept": "application/json, */*; q=0.01"},
    "jquery": {"Accept": "text/html, */*", "X-Requested-With": "XMLHttpRequest"},
    "nothing": {},
}


@pytest.mark.parametrize("how", SCRIPTS.values(), ids=SCRIPTS.keys())
@pytest.mark.parametrize(
    ("page", "status"), [("/hub/api/user", 503), ("/hub/home", 503), ("/user/alice/api/sessions", 502)]
)
def test_a_script_gets_a_status_instead_of_a_page(deserted: Site, page: str, status: int, how: dict[str, str]) -> None:
    """Return no 503 from a student's server: JupyterLab would offer to start another one."""
    with deserted.client(headers=how) as browser:
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = browser.request(method, page)
            assert answer.status_code == answer.json()["status"] == status
            assert answer.headers["Content-Type"] == "application/json"
            assert "Try again" in answer.json()["message"]


@pytest.mark.parametrize("announced", [True, False], ids=["with-length", "chunked"])
def test_an_upload_to_a_server_that_is_away_is_not_refused_as_too_large(deserted: Site, announced: bool) -> None:  # noqa: FBT001 - a case of the table
    for how, status in ((SCRIPT, 502), (NAVIGATION, 503)):
        content = b"x" * 3_000_000 if announced else (b"x" * 1000 for _ in range(3000))
        with deserted.client(headers=how) as browser:
            assert browser.put("/user/alice/api/contents/x", content=content).status_code == status


def test_a_websocket_gets_a_status_instead_of_a_page(deserted: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(deserted.url.replace("http", "ws") + "/user/alice/ws", additional_headers=OLD_NAVIGATION | GATE).close()
    assert refused.value.response.status_code == 502


def test_a_page_works_again_as_soon_as_the_class_is_back(directory: Path) -> None:
    hub, socket = free_port(), directory / "returning.sock"
    with serving(directory, "returning", f"127.0.0.1:{hub}", f"unix:{socket}") as site, site.client() as browser:
        for page in ("/hub/login", "/user/alice/lab"):
            is_back_soon(browser.get(page, headers=NAVIGATION))
        with Upstream("hub", port=hub), Upstream("proxy", path=socket):
            for page in ("/hub/login", "/user/alice/lab"):
                assert browser.get(page, headers=NAVIGATION).status_code == 200
        for page in ("/hub/login", "/user/alice/lab"):
            is_back_soon(browser.get(page, headers=NAVIGATION))


@pytest.fixture
def lecture(directory: Path, real_proxy: Callable[[str], RealProxy]) -> Iterator[tuple[Site, RealProxy, Upstream, int]]:
    """Run Alice's server behind the real proxy; the hub is still missing."""
    hub = free_port()
    chp = real_proxy(f"127.0.0.1:{hub}")
    with (
        Upstream("alice") as alice,
        serving(directory, chp.directory.name + "-site", f"127.0.0.1:{hub}", chp.address) as site,
    ):
        yield site, chp, alice, hub


def test_a_kernel_continues_while_the_hub_restarts(lecture: tuple[Site, RealProxy, Upstream, int]) -> None:
    site, chp, alice, hub = lecture
    with chp.up(), site.client() as browser:
        chp.route("/user/alice", f"http://{alice.address}")
        with Upstream("hub", port=hub):
            assert browser.get("/hub/home", headers=NAVIGATION).json()["server"] == "hub"
            kernel = connect(
                site.url.replace("http", "ws") + "/user/alice/ws", additional_headers=GATE, open_timeout=10
            )
        with kernel:
            is_back_soon(browser.get("/hub/home", headers=NAVIGATION))
            assert browser.get("/hub/api/user", headers=SCRIPT).status_code == 503
            kernel.send("1 + 1")
            assert kernel.recv(10) == "alice: 1 + 1"
            assert browser.get("/user/alice/lab", headers=NAVIGATION).json()["server"] == "alice"
            with Upstream("hub", port=hub):
                assert browser.get("/hub/home", headers=NAVIGATION).json()["server"] == "hub"


def test_the_hub_is_reachable_while_the_proxy_restarts(lecture: tuple[Site, RealProxy, Upstream, int]) -> None:
    site, chp, alice, hub = lecture
    with Upstream("hub", port=hub), site.client() as browser:
        is_back_soon(browser.get("/user/alice/lab", headers=NAVIGATION))
        assert browser.get("/user/alice/api/sessions", headers=SCRIPT).status_code == 502
        assert browser.get("/hub/home", headers=NAVIGATION).status_code == 200
        with chp.up():
            # The routes are lost. Until the hub has restored them, the hub answers and knows alice's server.
            assert browser.get("/user/alice/lab", headers=NAVIGATION).json()["server"] == "hub"
            chp.route("/user/alice", f"http://{alice.address}")
            assert browser.get("/user/alice/lab", headers=NAVIGATION).json()["server"] == "alice"


def test_a_student_who_returns_while_the_hub_is_away_waits_on_the_same_page(
    lecture: tuple[Site, RealProxy, Upstream, int],
) -> None:
    """Show the page also when the student's server has stopped: the proxy then answers."""
    site, chp, _, hub = lecture
    with chp.up(), site.client() as browser:
        for student in ("stopped", "crashed"):
            with Upstream("hub", port=hub):
                assert browser.get(f"/user/{student}/lab", headers=NAVIGATION).json()["server"] == "hub"
            if student == "crashed":
                chp.route("/user/crashed", f"http://127.0.0.1:{free_port()}")
            answer = browser.get(f"/user/{student}/lab", headers=NAVIGATION)
            assert (answer.status_code, answer.text) == (503, BACK_SOON)
            assert browser.get(f"/user/{student}/api/sessions", headers=SCRIPT).status_code == 503
        with Upstream("hub", port=hub):
            assert browser.get("/user/stopped/lab", headers=NAVIGATION).json()["server"] == "hub"
