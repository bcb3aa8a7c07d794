"""Gate: no byte of a student's server reaches a browser that the hub has not let in."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nginx.site import GATE, NAVIGATION, SCRIPT, raw, seen, serving
from nginx.upstreams import REPLY, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nginx.site import Site

NOBODY = {"Cookie": "a=1"}
REFUSED = {
    "nothing": NOBODY,
    "another_pass": {"Cookie": "classroom-gate=mallory"},
    "two_passes": {"Cookie": "classroom-gate=alice; b=1; classroom-gate=alice"},
    "a_pass_of_another_name": {"Cookie": "x-classroom-gate=alice"},
    "another_token": {**NOBODY, "Authorization": "token mallory"},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED.keys())
def test_a_browser_without_a_pass_is_sent_to_the_hub(site: Site, headers: dict[str, str]) -> None:
    with site.client(headers=headers | NAVIGATION) as browser:
        for method in ("GET", "POST"):
            answer = browser.request(method, "/user/alice/lab/tree/a%20b.ipynb?x=1&y=%2F")
            assert answer.status_code == 302
            assert re.fullmatch(
                r"/hub/gate/[0-9a-f]{32}/user/alice/lab/tree/a%20b\.ipynb\?x=1&y=%2F", answer.headers["Location"]
            )
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED.keys())
def test_a_script_without_a_pass_is_refused(site: Site, headers: dict[str, str]) -> None:
    with site.client(headers=headers | SCRIPT) as browser:
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = browser.request(method, "/user/alice/api/contents")
            assert (answer.status_code, answer.json()["status"]) == (403, 403)
    with pytest.raises(InvalidStatus) as refused:
        connect(site.url.replace("http", "ws") + "/user/alice/ws", additional_headers=headers).close()
    assert refused.value.response.status_code == 403


@pytest.mark.attack(29)
def test_a_browser_without_a_pass_costs_the_hub_nothing(site: Site, hub: Upstream) -> None:
    before = len(hub.gate_requests)
    with site.client(headers=NOBODY) as browser:
        assert browser.get("/user/alice/lab").status_code == 403
    assert len(hub.gate_requests) == before


@pytest.mark.attack(29, 78)
@pytest.mark.parametrize("headers", ["", "Authorization: token mallory\r\n", "Cookie: classroom-gate=mallory\r\n"])
def test_the_body_of_a_request_without_a_pass_is_not_read(site: Site, proxy: Upstream, headers: str) -> None:
    """A server reads a body of 99 MB before it asks who sends it: fourteen of them ended it."""
    proxy.first_byte.clear()
    host, port = site.front.listen[0].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"PUT /user/alice/upload HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 99000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 100_000)
        assert connection.recv(12) == b"HTTP/1.1 403"
    assert not proxy.first_byte.is_set()


def test_a_program_with_a_token_of_the_server_is_let_in(site: Site, hub: Upstream) -> None:
    with site.client(headers={"Cookie": "", "Authorization": "alice"}) as program:
        assert program.get("/user/alice/api/contents").json()["server"] == "proxy"
    assert hub.gate_requests[-1]["X-Classroom-Server"] == "alice"


@pytest.mark.parametrize(
    ("query", "headers", "is_let_in"),
    [
        ("token=alice", NOBODY, True),
        ("session_id=1&token=alice", {}, True),
        ("token=mallory", NOBODY, False),
        ("mytoken=alice", NOBODY, False),
        ("token=alice", {**NOBODY, "Authorization": "token mallory"}, False),
        ("token=alice", {"Cookie": "classroom-gate=mallory"}, False),
    ],
)
def test_a_program_opens_a_websocket_with_a_token_in_the_address(
    site: Site,
    query: str,
    headers: dict[str, str],
    is_let_in: bool,  # noqa: FBT001 - a column of the table
) -> None:
    address = site.url.replace("http", "ws") + f"/user/alice/ws?{query}"
    if not is_let_in:
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers).close()
        assert refused.value.response.status_code == 403
        return
    with connect(address, additional_headers=headers) as kernel:
        kernel.send("headers")
        assert json.loads(kernel.recv(10)) == {"Cookie": None, "Authorization": "token alice"}


@pytest.mark.attack(1)
def test_a_token_in_an_address_opens_nothing_but_websockets(site: Site) -> None:
    with site.client(headers=NOBODY | SCRIPT) as browser:
        for method in ("GET", "POST"):
            assert browser.request(method, "/user/alice/files/x.js?token=alice").status_code == 403


def test_the_hub_is_asked_about_each_server_once_in_some_seconds(site: Site, hub: Upstream) -> None:
    before = len(hub.gate_requests)
    with site.client() as browser:
        for name in ("alice-1", "alice-2", "alice%2D1"):
            for _ in range(20):
                assert browser.get(f"/user/{name}/api").status_code == 200
    asked = [request["X-Classroom-Server"] for request in hub.gate_requests[before:]]
    assert set(asked) == {"alice%2D1", "alice-1", "alice-2"}
    assert len(asked) <= 6  # twice if the answer became too old meanwhile


def test_the_gate_gets_no_other_header_and_no_cookie(site: Site, hub: Upstream) -> None:
    with site.client(headers={"Cookie": f"secret=1; {GATE['Cookie']}", "X-Other": "1"}) as browser:
        assert browser.put("/user/alice-3/x", content=b"x" * 2_000_000).status_code == 200
    assert not {"Cookie", "X-Other", "Content-Length", "Transfer-Encoding"} & hub.gate_requests[-1].keys()


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("classroom-gate=alice", []),
        ("a=1; classroom-gate=alice", ["a=1;"]),
        ("classroom-gate=alice; b=2", ["b=2"]),
        ('a=1; classroom-gate="alice"; b="2"; c', ['a=1; b="2"; c']),
    ],
)
def test_the_server_does_not_see_the_pass(site: Site, sent: str, received: list[str]) -> None:
    with site.client(headers={"Cookie": sent}) as browser:
        assert seen(browser.get("/user/alice/lab"))["headers"].get("cookie", []) == received


@pytest.mark.attack(28)
@pytest.mark.parametrize("cookie", ["classroom-gate=alice", "__Host-classroom-gate=mallory; classroom-gate=alice"])
def test_with_tls_a_pass_that_a_page_has_set_is_refused(tunnelled: Site, cookie: str) -> None:
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Cookie": cookie}
    with tunnelled.client("127.0.0.1", headers=told) as browser:
        assert browser.get("/user/alice/lab").status_code == 403
        assert browser.get("/user/alice/lab", headers={"Cookie": GATE["Cookie"]}).status_code == 200


@pytest.mark.attack(24)
@pytest.mark.parametrize(
    "path",
    [
        "/user/alice/../bob/lab",
        "/user/alice/%2e%2E/bob/lab",
        "/user/alice/./lab",
        "/user/alice/..",
        "/user/bob\\/lab",
        "/hub/../user/bob/lab",
    ],
)
def test_a_path_that_the_proxy_could_read_in_another_way_is_refused(site: Site, path: str) -> None:
    answer = raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {GATE['Cookie']}\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] == "400"


@pytest.mark.parametrize("path", ["//user/bob/lab", "/%75ser/bob/lab", "/user//bob/lab", "/hub/..%2fuser/bob/lab"])
def test_the_hub_is_told_no_name_that_the_proxy_does_not_route_by(site: Site, hub: Upstream, path: str) -> None:
    hub.gate_requests.clear()
    cookie = f"classroom-gate={path.count('/')}"
    answer = raw(site, f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] == "403"
    assert {request.get("X-Classroom-Server") for request in hub.gate_requests} <= {None}


def test_the_gate_itself_has_no_address(site: Site) -> None:
    with site.client() as browser:
        assert browser.get("/classroom-gate").status_code == 404


def test_a_page_with_a_token_in_its_address_opens_without_it(site: Site) -> None:
    with site.client(headers=NAVIGATION) as browser:
        for query in ("token=secret", "a=1&token=secret"):
            answer = browser.get(f"/user/alice/lab?{query}")
            assert (answer.status_code, answer.headers["Location"]) == (302, "/user/alice/lab")
        assert browser.get("/user/alice/lab?mytoken=1").status_code == 200


@pytest.mark.attack(1)
@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("text/html; charset=utf-8", False),
        ("Text/HTML", False),
        ("image/svg+xml", False),
        ("application/xhtml+xml", False),
        ("application/javascript", True),
        ("image/png", True),
    ],
)
def test_a_document_of_a_student_stays_in_no_shared_browser(site: Site, kind: str, stored: bool) -> None:  # noqa: FBT001 - a case of the table
    reply = json.dumps({"headers": {"Content-Type": kind, "Cache-Control": "max-age=9999"}, "body": "x"})
    with site.client(headers={REPLY: reply}) as browser:
        values = browser.get("/user/alice/x").headers.get_list("Cache-Control")
    assert values == (["max-age=9999"] if stored else ["max-age=9999", "no-store"])


@pytest.mark.attack(63)
@pytest.mark.parametrize(
    "place", ["files/x.html", "kernelspecs/evil/x.html", "nbconvert/html/x.ipynb", "custom/x.html"]
)
def test_a_file_of_a_home_is_a_document_without_the_origin_of_the_site(site: Site, place: str) -> None:
    with site.client() as browser:
        assert "sandbox allow-scripts" in browser.get(f"/user/alice/{place}").headers["Content-Security-Policy"]
        assert "sandbox" not in browser.get("/user/alice/lab").headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def apart(directory: Path, hub: Upstream, proxy: Upstream) -> Iterator[Site]:
    """Run a site where students' servers have host names of their own."""
    settings = {"site": {"externalUrl": "http://class.example.org:8000/", "origins": "each"}}
    with serving(directory, "apart", hub.address, proxy.address, settings=settings) as made:
        yield made


def test_a_host_name_of_a_server_has_no_page_of_the_hub(apart: Site) -> None:
    with apart.client(headers={"Host": "alice.class.example.org:8000"}) as browser:
        for page in ("/", "/hub/login?next=x", "/hub/api/users", "/favicon.ico"):
            answer = browser.get(page)
            assert (answer.status_code, answer.headers["Location"]) == (302, f"http://class.example.org:8000{page}")
        assert seen(browser.get("/hub/gate-open/ticket/user/alice/lab"))["server"] == "hub"
        assert seen(browser.get("/user/alice/lab"))["server"] == "proxy"


def test_the_way_to_a_server_begins_in_the_browser_that_ends_it(apart: Site) -> None:
    with apart.client(headers={"Host": "alice.class.example.org:8000", **NOBODY, **NAVIGATION}) as browser:
        answer = browser.get("/user/alice/lab")
    place = re.fullmatch(
        r"http://class\.example\.org:8000/hub/gate/([0-9a-f]{32})/user/alice/lab", answer.headers["Location"]
    )
    assert place
    assert answer.headers["Set-Cookie"] == (
        f"classroom-gate-state={place[1]}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"
    )
    with apart.client(headers={"Host": "class.example.org:8000"}) as browser:
        assert "Set-Cookie" not in browser.get("/hub/login").headers
