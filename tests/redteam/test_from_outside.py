"""Attacks by requests, without an account or as a student, that no other suite tries."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from behaviour.hostile import HostileServer
from behaviour.people import Visitor, api
from behaviour.servers import Server
from support.waiting import wait_until

Verb = Callable[..., str]
Visit = Callable[..., Visitor]

pytestmark = pytest.mark.timeout(180)


def exchange(url: str, request: str) -> str:
    """Send bytes as they are and return everything that comes back."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as connection:
        connection.settimeout(5)
        connection.sendall(request.encode("latin-1"))
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            pass
    return received.decode("latin-1")


# Addresses that Nginx, the gate, the proxy or a server could read in different ways.
ODD_PATHS = [
    "/user/{other}/api/contents",
    "/user/{mine}/../{other}/api/contents",
    "/user/{mine}/%2e%2e/{other}/api/contents",
    "/user/{mine}/..%2f{other}/api/contents",
    "/user/{mine}%2f..%2f{other}/api/contents",
    "//user/{other}/api/contents",
    "/user/{mine}\\..\\{other}/api/contents",
    "/user/{mine}/.%2e/{other}/api/contents",
    "/user/{mine}/..;/{other}/api/contents",
    "/user/{mine}/x/../../{other}/api/contents",
    "/user/{mine}/?/../../user/{other}/api/contents",
    "/user/{mine}/#/../../user/{other}/api/contents",
    "/user/{mine}%3f/../{other}/api/contents",
    "/user/{mine}/\t../{other}/api/contents",
    "/./user/{other}/api/contents",
    "/user/./{other}/api/contents",
    "/%75ser/{other}/api/contents",
    "/hub/../user/{other}/api/contents",
    "/user//{other}/api/contents",
    "http://x/user/{other}/api/contents",
    "http://user/{mine}/@x/user/{other}/api/contents",
]


@pytest.mark.attack(24)
@pytest.mark.parametrize("path", ODD_PATHS)
def test_a_student_reaches_no_other_server_by_a_path(path: str, mine: Server, other: Server) -> None:
    token = api(mine.visitor, "POST", f"users/{mine.name}/tokens", {"note": "a student's own"}).json()["token"]
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: token {token}\r\nConnection: close\r\n\r\n"
    assert '"content"' in exchange(mine.visitor.url, f"GET {mine.base}api/contents {head}")
    answer = exchange(mine.visitor.url, f"GET {path.format(mine=mine.name, other=other.name)} {head}")
    assert int(answer.split()[1]) in {301, 302, 400, 403, 404}, answer
    assert '"content"' not in answer


@pytest.mark.attack(1, 24)
def test_a_browser_that_may_open_its_own_server_reaches_no_hostile_one(
    mine: Server, other: Server, server: Verb
) -> None:
    cookies = "; ".join(f"{c.name}={c.value}" for c in mine.visitor.web.cookies.jar)
    head = f"HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    with HostileServer(server, other) as hostile:
        assert exchange(mine.visitor.url, f"GET {mine.base}api/status {head}").startswith("HTTP/1.1 200")
        for path in ODD_PATHS:
            exchange(mine.visitor.url, f"GET {path.format(mine=mine.name, other=other.name)} {head}")
        assert hostile.requests == []


@pytest.mark.attack(46)
def test_a_request_forges_no_line_of_the_hubs_log(visit: Visit, server: Verb, name: str) -> None:
    stranger = visit()
    stranger.get("/hub/login")
    text = f"{name}\n[I forged] {name}\x1b[2J\r\x1b]0;owned\x07"
    stranger.post("/hub/login", {"username": text, "password": "wrong"})
    stranger.sign_up(text)
    stranger.get(f"/hub/{name}%0a[I%20forged]%1b[2J")
    exchange(
        stranger.url,
        f"GET /hub/login HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[2J{name}\r\nConnection: close\r\n\r\n",
    )
    stranger.get(f"/hub/{name}-last")
    wait_until(lambda: f"{name}-last" in server("logs", "hub"), "the hub has logged the requests", 10)
    for part in ("hub", "proxy", "nginx"):
        log = server("logs", part)
        assert not [line for line in log.splitlines() if line.startswith("[I forged]")], part
        assert "\x1b[2J" not in log, part
        assert "\x1b]0;" not in log, part


@pytest.mark.attack(47)
def test_what_a_request_names_is_shown_as_text(visit: Visit) -> None:
    script = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    stranger = visit()
    stranger.get("/hub/login")
    answers = [
        stranger.post("/hub/login", {"username": script, "password": "wrong"}),
        stranger.sign_up(script, full_name=script),
        stranger.get(f"/hub/{script}"),
        stranger.web.get("/hub/login", params={"next": f"/{script}"}),
        stranger.web.get("/hub/signup", params={"code": script, "username": script}),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert "<script>alert(1)" not in answer.text, answer.url
        assert "<img src=x" not in answer.text, answer.url


@pytest.mark.attack(64)
@pytest.mark.parametrize("dots", ["..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e", "..%5c..", "%252e%252e"])
def test_no_path_leads_out_of_a_home_or_of_the_pages_files(dots: str, mine: Server) -> None:
    cookies = "; ".join(f"{c.name}={c.value}" for c in mine.visitor.web.cookies.jar if c.path in {"/", mine.base})
    places = ["files", "api/contents", "static", "nbconvert/html", "lab/extensions", "kernelspecs/python3", "view"]
    paths = [f"{mine.base}{place}/{dots}/{dots}/{dots}/{dots}/{dots}/{dots}/etc/passwd" for place in places]
    paths += [f"/hub/{place}/{dots}/{dots}/{dots}/{dots}/etc/passwd" for place in ("static", "classroom-static")]
    for path in paths:
        answer = exchange(
            mine.visitor.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
        )
        assert "root:" not in answer, path
        assert int(answer.split()[1]) < 500, path


@pytest.mark.attack(65)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "{url}.evil.example", "{url}0"])
def test_a_page_of_another_site_opens_no_websocket(origin: str, mine: Server) -> None:
    site = mine.visitor.url
    cookies = "; ".join(f"{c.name}={c.value}" for c in mine.visitor.web.cookies.jar if c.path in {"/", mine.base})
    address = f"{site.replace('http', 'ws', 1)}{mine.base}api/events/subscribe"
    with connect(address, additional_headers={"Cookie": cookies}, origin=Origin(site), open_timeout=20):
        pass  # the same request from a page of the site
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(address, additional_headers={"Cookie": cookies}, origin=Origin(origin.format(url=site))),
    ):
        pass
    assert refusal.value.response.status_code == 403


SMUGGLED = "GET /hub/{mark} HTTP/1.1\r\nHost: x\r\n\r\n"
AMBIGUOUS = {
    "length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "blank before the colon": "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "folded header": "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "unknown coding": "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "sign in the length": "Content-Length: +5\r\n\r\n0\r\n\r\n",
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 0\r\n\r\n",
    "upgrade": "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.attack(66)
@pytest.mark.parametrize("kind", AMBIGUOUS)
@pytest.mark.parametrize("path", ["/hub/login", "/user/nobody/lab", "/user/{mine}/lab"])
def test_a_request_has_one_meaning(kind: str, path: str, mine: Server, name: str) -> None:
    """A request that is smuggled in is answered as a request of this connection, or not at all."""
    head = f"POST {path.format(mine=mine.name)} HTTP/1.1\r\nHost: x\r\n"
    answer = exchange(
        mine.visitor.url,
        head + AMBIGUOUS[kind] + SMUGGLED.format(mark=name).replace("Host: x", "Host: x\r\nConnection: close"),
    )
    answers = answer.count("HTTP/1.1 ")
    assert 1 <= answers <= 2, answer
    # Nobody's next request gets the answer of the one that was smuggled in.
    for _ in range(4):
        assert name not in mine.visitor.get("/hub/login").text
        assert mine.get("api/status").json().get("started")


@pytest.mark.attack(77)
def test_no_secret_is_in_a_log_or_in_the_settings(server: Verb, mine: Server) -> None:
    del mine  # its start is in the logs
    settings = server("exec", "cat", server("settings").strip())
    folder = json.loads(settings)["paths"]["state"] + "/secrets"
    secrets = {name: server("exec", "cat", f"{folder}/{name}").strip() for name in server("exec", "ls", folder).split()}
    texts = {part: server("logs", part) for part in ("hub", "proxy", "nginx", "engine")} | {"settings": settings}
    assert [(name, part) for name, secret in secrets.items() for part, text in texts.items() if secret in text] == []
    assert all(len(secret) >= 16 for secret in secrets.values()), list(secrets)


@pytest.mark.attack(84)
def test_the_creation_of_tokens_is_limited(student: Visitor, name: str) -> None:
    statuses = [api(student, "POST", f"users/{name}/tokens", {"note": "flood"}).status_code for _ in range(130)]
    assert set(statuses) == {201, 429}
    assert statuses.count(201) < 125
