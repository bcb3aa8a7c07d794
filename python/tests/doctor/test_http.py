from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from classroom.doctor import http
from classroom.doctor.http import Endpoint


def test_a_message_comes_back_through_a_websocket() -> None:
    async def send() -> str | None:
        async with http.echo_server() as port:
            return await http.websocket_problem(Endpoint(f"127.0.0.1:{port}"), "/user/x/")

    assert asyncio.run(send()) is None


def test_a_server_without_websockets_is_reported_with_its_status() -> None:
    async def send() -> str | None:
        app = web.Application()
        async with served(app) as endpoint:
            return await http.websocket_problem(endpoint, "/")

    assert asyncio.run(send()) == "A websocket is answered with status 404"


def test_a_request_without_an_upgrade_is_refused_by_the_echo_server() -> None:
    async def send() -> int:
        async with http.echo_server() as port:
            return (await http.request(Endpoint(f"127.0.0.1:{port}"), "GET", "/")).status

    assert asyncio.run(send()) == 426


@asynccontextmanager
async def served(app: web.Application, path: Path | None = None) -> AsyncIterator[Endpoint]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.UnixSite(runner, str(path)) if path else web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Endpoint(f"unix:{path}" if path else f"127.0.0.1:{runner.addresses[0][1]}", "class.example.org:8443")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("is_socket", [True, False], ids=["unix_socket", "tcp"])
def test_an_answer_over_tcp_or_a_socket(tmp_path: Path, *, is_socket: bool) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"host": request.host, "path": request.raw_path, "data": await request.json()})

    async def send() -> http.Answer:
        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        async with served(app, tmp_path / "s" if is_socket else None) as endpoint:
            return await http.request(endpoint, "POST", "/a%2Fb", data=[1])

    got = asyncio.run(send())
    assert got.status == 200
    assert got.json() == {"host": "class.example.org:8443", "path": "/a%2Fb", "data": [1]}


def test_redirects_are_not_followed_and_long_answers_are_cut() -> None:
    async def send() -> tuple[int, int]:
        async def redirect(_request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": "/long"})

        async def long(_request: web.Request) -> web.Response:
            return web.Response(body=b"x" * (3 << 20))

        app = web.Application()
        app.router.add_get("/", redirect)
        app.router.add_get("/long", long)
        async with served(app) as endpoint:
            redirected = await http.request(endpoint, "GET", "/")
            return redirected.status, len((await http.request(endpoint, "GET", "/long")).body)

    assert asyncio.run(send()) == (302, 1 << 20)


def test_a_websocket_follows_no_redirect() -> None:
    async def send() -> str | None:
        async with http.echo_server() as port:

            async def redirect(_request: web.Request) -> web.Response:
                return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{port}/"})

            app = web.Application()
            app.router.add_get("/", redirect)
            async with served(app) as endpoint:
                return await http.websocket_problem(endpoint, "/")

    assert asyncio.run(send()) == "A websocket is answered with status 302"


def test_errors_are_those_of_the_system(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        http.get(Endpoint(f"127.0.0.1:{port}"), "/")
    with pytest.raises(ConnectionRefusedError):
        http.get(Endpoint(f"127.0.0.1:{port}", "localhost", tls=True), "/")
    with pytest.raises(FileNotFoundError, match="No such file"):
        http.get(Endpoint(f"unix:{tmp_path}/none"), "/")


def test_a_server_without_http_is_reported() -> None:
    async def send() -> None:
        async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-x\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await http.request(Endpoint(f"127.0.0.1:{port}"), "GET", "/")

    with pytest.raises(ConnectionError, match="not HTTP") as raised:
        asyncio.run(send())
    assert "url=" not in str(raised.value)


def test_a_server_without_tls_is_no_missing_permission() -> None:
    async def send() -> None:
        async with served(web.Application()) as endpoint:
            await http.request(replace(endpoint, tls=True), "GET", "/")

    with pytest.raises(ConnectionError, match="SSL"):
        asyncio.run(send())
