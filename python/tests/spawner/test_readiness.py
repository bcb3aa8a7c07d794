from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from aiohttp import web

from classroom.spawner.readiness import answers
from support.network import free_port


async def never() -> bool:
    return False


async def always() -> bool:
    return True


async def serve(port: int, status: int, after: float = 0) -> web.AppRunner:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/api", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await asyncio.sleep(after)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def test_a_server_is_ready_within_half_a_second_of_its_first_answer() -> None:
    async def run() -> float:
        port = free_port()
        starting = asyncio.create_task(serve(port, 200, after=1))
        begin = time.monotonic()
        assert await answers(f"http://127.0.0.1:{port}/api", never)
        took = time.monotonic() - begin
        await (await starting).cleanup()
        return took

    assert asyncio.run(run()) < 1.5


def test_a_dead_server_is_not_waited_for() -> None:
    assert asyncio.run(answers(f"http://127.0.0.1:{free_port()}/api", always)) is False


def test_a_dead_server_without_refusal_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):  # the queue is full from the second on: later connections get no answer
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        begin = time.monotonic()
        assert asyncio.run(answers(f"http://127.0.0.1:{full.getsockname()[1]}/api", always)) is False
    assert time.monotonic() - begin < 6


def test_a_server_error_is_no_answer() -> None:
    async def run() -> bool:
        port = free_port()
        runner = await serve(port, 503)
        found = await answers(f"http://127.0.0.1:{port}/api", always)
        await runner.cleanup()
        return found

    assert asyncio.run(run()) is False
