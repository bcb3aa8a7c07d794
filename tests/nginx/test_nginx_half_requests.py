"""Connections that send half a request: they end soon, and the pages of everybody else arrive meanwhile."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from nginx.site import GATE, SCRIPT
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginx.site import Site

# More than two workers with 4096 connections take; a site has to bear all ports of one address.
HALF_REQUESTS = 9000
ROOM = 200
"""Students behind one address."""


@pytest.fixture(scope="module")
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < HALF_REQUESTS + 1000:
        pytest.skip(f"a process may open only {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def half_request(site: Site, address: str) -> socket.socket:
    host, port = site.front.listen[0].split(":")
    connection = socket.create_connection((host, int(port)), timeout=5, source_address=(address, 0))
    connection.sendall(b"GET /hub/home HTTP/1.1\r\nHost: x\r\n")
    return connection


@contextlib.contextmanager
def closing(connections: list[socket.socket]) -> Iterator[list[socket.socket]]:
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.attack(33)
@pytest.mark.usefixtures("many_files")
def test_half_requests_of_one_address_delay_no_page_of_another_and_end_soon(site: Site) -> None:
    begin = time.monotonic()
    with closing([]) as held:
        for _ in range(HALF_REQUESTS):
            held.append(half_request(site, "127.0.0.41"))
        for _ in range(25):
            with site.client("127.0.0.42", headers=SCRIPT) as browser:
                asked = time.monotonic()
                assert browser.get("/hub/home").status_code == 200
                assert time.monotonic() - asked < 2
        held[0].settimeout(max(1, 15 - (time.monotonic() - begin)))
        assert held[0].recv(1) == b"", "Nginx still waits for the rest"


@pytest.mark.attack(91)
@pytest.mark.usefixtures("many_files")
def test_a_room_behind_one_address_has_its_pages_and_websockets(site: Site) -> None:
    """Let 200 students hold ten websockets each, then load a page."""
    host, port = site.front.listen[0].split(":")
    upgrade = (
        f"GET /user/alice/ws HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Cookie: {GATE['Cookie']}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with closing([]) as sockets:
        for _ in range(ROOM):
            own = [socket.create_connection((host, int(port)), 10, ("127.0.0.43", 0)) for _ in range(10)]
            sockets.extend(own)
            for connection in own:
                connection.sendall(upgrade.encode())
            assert {connection.recv(12) for connection in own} == {b"HTTP/1.1 101"}
        with site.client("127.0.0.43", headers=SCRIPT) as browser:
            assert {browser.get("/hub/home").status_code for _ in range(ROOM)} == {200}


@pytest.mark.usefixtures("many_files")
def test_one_address_fills_no_disk_with_half_bodies(site: Site) -> None:
    """Each of them may have 1 MB, which Nginx stores until it is complete."""
    host, port = site.front.listen[0].split(":")
    head = f"POST /hub/gpus HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n\r\n"
    with closing([]) as sockets:
        for _ in range(300):
            sockets.append(socket.create_connection((host, int(port)), 10, ("127.0.0.44", 0)))
            sockets[-1].sendall(head.encode() + b"x" * 10_000)
        wait_until(lambda: len(select.select(sockets, [], [], 0)[0]) >= 44, "44 are refused", 10)
        refused = select.select(sockets, [], [], 0.5)[0]
        assert {connection.recv(12) for connection in refused} == {b"HTTP/1.1 429"}
        assert len(refused) == 44
        with site.client("127.0.0.45", headers=SCRIPT) as browser:
            assert browser.post("/hub/gpus", content=b"x" * 900_000).status_code == 200
