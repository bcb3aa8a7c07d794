"""Engine filter: requests that are written so that two programs read them differently."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from behaviour.deployment import as_seen_here, read_settings

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def path(server: Callable[..., str]) -> str:
    """Return the filter's socket."""
    found = as_seen_here(read_settings(server)["docker"].get("filter", ""))
    if not found.is_socket():
        pytest.skip("the filter's socket is on another machine")
    return str(found)


def exchange(path: str, request: bytes) -> bytes:
    """Send bytes to the filter and return its whole answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(request)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


HEAD = "Host: engine\r\nConnection: close\r\n"
BODY = '{"Image": "x", "HostConfig": {"Privileged": true}}'
UPGRADE = "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CREATE = f"POST /v1.44/containers/create?name=classroom-1 HTTP/1.1\r\n{HEAD}"
CHUNKED = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
RAW = {
    "another version": f"GET /v1.43/info HTTP/1.1\r\n{HEAD}\r\n",
    "no version": f"GET /info HTTP/1.1\r\n{HEAD}\r\n",
    "percent": f"GET /v1.44/%69nfo HTTP/1.1\r\n{HEAD}\r\n",
    "parent": f"GET /v1.44/containers/../info HTTP/1.1\r\n{HEAD}\r\n",
    "two slashes": f"GET //v1.44/info HTTP/1.1\r\n{HEAD}\r\n",
    "absolute": f"GET http://engine/v1.44/info HTTP/1.1\r\n{HEAD}\r\n",
    "connect": f"CONNECT engine:80 HTTP/1.1\r\n{HEAD}\r\n",
    "upgrade": f"POST /v1.44/containers/x/attach HTTP/1.1\r\n{UPGRADE}",
    "upgrade of a start": f"POST /v1.44/containers/x/start HTTP/1.1\r\n{UPGRADE}",
    "all events": f"GET /v1.44/events HTTP/1.1\r\n{HEAD}\r\n",
    "h2c": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunked": f"{CREATE}Transfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "both lengths": (f"{CREATE}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}"),
    "two lengths": (f"{CREATE}Content-Length: 2\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"),
    "two names": (
        f"POST /v1.44/containers/create?name=classroom-1&name=hub HTTP/1.1\r\n{HEAD}Content-Length: {len(BODY)}\r\n"
        f"\r\n{BODY}"
    ),
    "a method in a header": (
        f"GET /v1.44/info HTTP/1.1\r\n{HEAD}X-HTTP-Method-Override: POST\r\nX-Original-URL: /_ping\r\n\r\n"
    ),
    "a long body": f"POST /v1.44/containers/create HTTP/1.1\r\n{HEAD}Content-Length: 900000\r\n\r\n{' ' * 900000}",
}


@pytest.mark.parametrize("what", RAW)
def test_no_trick_of_http_reaches_the_engine(path: str, what: str) -> None:
    answer = exchange(path, RAW[what].encode())
    status = answer.split(b" ", 2)[1] if answer else b"closed"
    assert status in {b"403", b"400", b"closed"}, answer[:200]
    assert b"ServerVersion" not in answer
    assert b'"Id"' not in answer


def test_a_second_request_on_the_connection_is_checked_too(path: str) -> None:
    both = f"GET /_ping HTTP/1.1\r\nHost: e\r\n\r\nGET /v1.44/info HTTP/1.1\r\n{HEAD}\r\n"
    answer = exchange(path, both.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1 403") == 1
    assert b"ServerVersion" not in answer
