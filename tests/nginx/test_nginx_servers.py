"""Requests below /user/: websockets, uploads, streams and errors of students' servers."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nginx.site import DIRECTIVES, GATE, NAVIGATION, SCRIPT, serving
from nginx.upstreams import REPLY, Upstream
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginx.site import RealProxy, Site


def test_a_kernel_is_reached_by_websocket(site: Site) -> None:
    path = "/user/alice/api/kernels/1/ws"
    with connect(site.url.replace("http", "ws") + path, additional_headers=GATE, open_timeout=10) as kernel:
        for text in ("1 + 1", "x" * 200_000):
            kernel.send(text)
            assert kernel.recv(10) == f"proxy: {text}"


def test_a_kernel_is_reached_through_the_real_proxy(
    real_proxy: Callable[[str], RealProxy], directory: Path, hub: Upstream
) -> None:
    chp = real_proxy(hub.address)
    with (
        Upstream("alice") as alice,
        chp.up(),
        serving(directory, "with-proxy", hub.address, chp.address) as site,
    ):
        chp.route("/user/alice", f"http://{alice.address}")
        with connect(
            site.url.replace("http", "ws") + "/user/alice/ws", additional_headers=GATE, open_timeout=10
        ) as kernel:
            kernel.send("1 + 1")
            assert kernel.recv(10) == "alice: 1 + 1"
        with site.client("127.0.0.7", headers={"X-Forwarded-For": "203.0.113.9", "X-Scheme": "https"}) as browser:
            request = browser.get("/user/alice/a%2Fb").json()
        assert request["uri"] == "/user/alice/a%2Fb"
        headers = dict(request["headers"])
        # The proxy appends "undefined" and its own scheme to X-Forwarded-*; Tornado takes these first.
        assert headers["X-Real-Ip"] == "127.0.0.7"
        assert headers["X-Scheme"] == "http"
        assert headers["Host"] == site.front.listen[0]


def test_only_websockets_are_upgraded(site: Site) -> None:
    with site.client(headers={"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"}) as browser:
        headers = dict(browser.get("/user/alice/lab").json()["headers"])
    assert not {"Upgrade", "Connection"} & headers.keys()


def test_an_upload_of_200_mb_arrives(site: Site) -> None:
    piece = b"x" * 1_000_000
    with site.client() as browser:
        assert browser.put("/user/alice/upload", content=(piece for _ in range(200))).json() == {"size": 200_000_000}


def test_an_upload_is_forwarded_while_it_arrives(site: Site, proxy: Upstream) -> None:
    proxy.first_byte.clear()

    def slowly() -> Iterator[bytes]:
        yield b"a" * 1000
        wait_until(proxy.first_byte.is_set, "the first bytes have reached the student's server")
        yield b"b" * 1000

    with site.client() as browser:
        assert browser.put("/user/alice/upload", content=slowly()).json() == {"size": 2000}


@pytest.mark.parametrize(
    ("page", "server"), [("/user/alice/stream", "proxy"), ("/hub/api/users/alice/server/stream", "hub")]
)
def test_output_appears_as_it_is_printed(site: Site, proxy: Upstream, hub: Upstream, page: str, server: str) -> None:
    upstream = {"proxy": proxy, "hub": hub}[server]
    while upstream.go_on.acquire(blocking=False):
        pass  # left by the test before
    upstream.go_on.release()  # the answer begins with its first line
    with site.client() as browser, browser.stream("GET", page) as answer:
        lines = answer.iter_lines()
        for line in ("one", "two", "three"):
            assert next(lines) == line
            upstream.go_on.release()


def test_the_connection_to_a_silent_kernel_lasts_a_day() -> None:
    """Read the directive, because a test cannot wait a day."""
    conf = (DIRECTIVES / "server.conf").read_text()
    inside = conf[conf.index("location ~ ^/user/ {") :]
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        assert f"{name} 1d;" in inside[: inside.index("\n}")]


@pytest.mark.parametrize("status", [400, 403, 404, 413, 424, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("page", ["/user/alice/lab", "/hub/spawn"])
def test_an_error_of_jupyterlab_or_the_hub_is_shown_unchanged(site: Site, page: str, status: int) -> None:
    words = {"status": status, "body": "GPUs are full", "headers": {"Retry-After": "77", "Content-Type": "text/html"}}
    for mode in ("navigate", "cors"):
        with site.client(headers={REPLY: json.dumps(words), "Sec-Fetch-Mode": mode, "Accept": "text/html"}) as browser:
            for method in ("GET", "POST"):
                answer = browser.request(method, page)
                assert (answer.status_code, answer.text) == (status, "GPUs are full")
                assert answer.headers.get_list("Retry-After") == ["77"]


@pytest.mark.attack(30)
def test_a_program_of_a_student_cannot_control_nginx(site: Site) -> None:
    orders = {"headers": {"X-Accel-Redirect": "/classroom-pages/503.html", "X-Accel-Limit-Rate": "1"}, "body": "mine"}
    with site.client(headers={REPLY: json.dumps(orders)}) as browser:
        answer = browser.get("/user/alice/lab")
    assert (answer.status_code, answer.text) == (200, "mine")


@pytest.mark.attack(30)
def test_a_large_answer_to_a_slow_reader_is_not_stored_on_the_disk(site: Site) -> None:
    """Also if the answer asks for it: files of a gigabyte each would fill the machine's disk."""
    reply = json.dumps({"headers": {"X-Accel-Buffering": "yes"}, "size": 200_000_000})
    with site.client(headers={REPLY: reply}) as browser, browser.stream("GET", "/user/alice/lab") as answer:
        pieces = answer.iter_raw(65536)
        for _ in range(100):
            assert next(pieces)
            time.sleep(0.005)  # a slow reader
        assert not [file for file in open_files() if str(site.directory / "proxy_temp") in file]


def open_files() -> Iterator[str]:
    """Yield the names of files that processes of this machine have open, with those that are deleted."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            yield str(link.readlink())


@pytest.mark.attack(25, 27, 87)
@pytest.mark.parametrize(
    "name",
    [
        "Service-Worker-Allowed", "Clear-Site-Data", "NEL", "Report-To", "Reporting-Endpoints", "Alt-Svc", "Accept-CH",
        "Critical-CH", "Origin-Agent-Cluster", "Speculation-Rules",
    ],
)  # fmt: skip
def test_a_program_of_a_student_cannot_control_the_browser_for_the_whole_site(site: Site, name: str) -> None:
    with site.client(headers={REPLY: json.dumps({"headers": {name: "1"}})}) as browser:
        assert name not in browser.get("/user/alice/lab").headers


@pytest.mark.attack(25)
@pytest.mark.parametrize("page", ["/user/alice/files/worker.js", "/hub/logo", "/"])
def test_no_page_installs_a_service_worker(site: Site, page: str) -> None:
    with site.client(headers={"Service-Worker": "script"}) as browser:
        assert browser.get(page).status_code == 403


@pytest.mark.attack(28)
@pytest.mark.parametrize(
    ("cookie", "received"),
    [
        ("a=1; Path=/", "a=1; Path=/user/alice/"),
        ("a=1; path=/hub/; HttpOnly", "a=1; path=/user/alice/; HttpOnly"),
        ("a=1; Path=/; Path=/hub/", "a=1; Path=/user/alice/; Path=/user/alice/"),
        ("a=1; Path=/user/bob/", "a=1; Path=/user/alice/"),
        ("a=1; Path=/user/alice/; Secure", "a=1; Path=/user/alice/; Secure"),
        ("a=1; Domain=example.org; Path=/", "a=1; Domain=127.0.0.1; Path=/user/alice/"),
        ("a=1", "a=1"),  # browsers take the path of the request
    ],
)
def test_a_cookie_of_a_students_server_is_for_this_server_only(site: Site, cookie: str, received: str) -> None:
    with site.client(headers={REPLY: json.dumps({"headers": {"Set-Cookie": cookie}})}) as browser:
        assert browser.get("/user/alice/a/b").headers["Set-Cookie"] == received
        assert browser.get("/hub/login").headers["Set-Cookie"] == cookie


def test_a_server_is_at_an_address_with_a_slash_so_that_its_cookies_are_its_own(site: Site) -> None:
    with site.client() as browser:
        answer = browser.get("/user/alice%2Db?a=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/user/alice%2Db/?a=1")


def test_a_refused_websocket_keeps_its_status(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(
            site.url.replace("http", "ws") + "/user/alice/no", additional_headers=GATE | {REPLY: '{"status": 403}'}
        ).close()
    assert refused.value.response.status_code == 403


def test_large_cookies_and_addresses_pass(site: Site) -> None:
    cookies = "; ".join(f"c{n}={'x' * 900}" for n in range(14))
    with site.client(headers={"Cookie": f"{cookies}; {GATE['Cookie']}"}) as browser:
        assert browser.get(f"/hub/api/oauth2/authorize?state={'y' * 9000}").status_code == 200
    reply = json.dumps({"headers": {"Set-Cookie": "z" * 12000}})
    with site.client(headers={REPLY: reply}) as browser:
        assert len(browser.get("/hub/login").headers["Set-Cookie"]) == 12000


def test_static_files_are_compressed_with_the_hubs_cache_headers(site: Site) -> None:
    reply = {
        "headers": {"Content-Type": "text/css", "Cache-Control": "max-age=60", "ETag": '"1"'},
        "body": "a{}" * 2000,
    }
    with site.client(headers={REPLY: json.dumps(reply), "Accept-Encoding": "gzip"}) as browser:
        static, page = browser.get("/hub/static/x.css"), browser.get("/hub/login")
    assert static.headers["Content-Encoding"] == "gzip"
    assert static.headers["Vary"] == "Accept-Encoding"
    assert static.headers.get_list("Cache-Control") == ["max-age=60"]
    assert int(static.headers.get("Content-Length", "0")) < 1000
    # Pages contain tokens, which can be guessed step by step from compressed TLS answers (BREACH).
    assert "Content-Encoding" not in page.headers


@pytest.mark.parametrize("announced", [True, False], ids=["with-length", "chunked"])
def test_a_form_of_the_hub_has_a_size_limit(site: Site, announced: bool) -> None:  # noqa: FBT001 - a case of the table
    def body(size: int) -> bytes | Iterator[bytes]:
        return b"x" * size if announced else (b"x" * 1000 for _ in range(size // 1000))

    with site.client() as browser:
        page = browser.post("/hub/signup", content=body(1_200_000), headers=NAVIGATION)
        told = browser.post("/hub/api/users", content=body(1_200_000), headers=SCRIPT)
        small = browser.post("/hub/api/users", content=body(900_000), headers=SCRIPT)
    assert page.status_code == told.status_code == 413
    assert "at most 1 MB" in page.text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "1 MB" in told.json()["message"]
    assert httpx.codes.is_success(small.status_code)
