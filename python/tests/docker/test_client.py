from __future__ import annotations

import asyncio
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import docker.errors
import pytest

from classroom.docker.client import Engine, EngineAwayError, shared_engine
from classroom.errors import ClassroomError


@contextmanager
def engine_that_says(path: Path, status: int, message: str, after: float = 0) -> Iterator[str]:
    """Run an engine on its own socket that gives the same answer to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(after)
            body = json.dumps({"message": message}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: object) -> None:
            return

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


def ask(host: str, timeout: int = 60) -> object:
    return asyncio.run(Engine(host, timeout).call("inspect_container", "x"))


def test_an_engine_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(EngineAwayError, match="does not answer"):
        ask(f"unix://{tmp_path}/none.sock")


def test_an_engine_that_hangs_is_away(tmp_path: Path) -> None:
    with engine_that_says(tmp_path / "e", 200, "", after=3) as host, pytest.raises(EngineAwayError):
        ask(host, timeout=1)


def test_an_engine_that_is_too_old_is_reported(tmp_path: Path) -> None:
    message = "client version 1.44 is too new. Maximum supported API version is 1.41"
    with engine_that_says(tmp_path / "e", 400, message) as host, pytest.raises(ClassroomError, match="too old, 26 or"):
        ask(host)


@pytest.mark.parametrize(("status", "kind"), [(404, docker.errors.NotFound), (500, docker.errors.APIError)])
def test_an_error_of_the_engine_is_passed_on(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    with engine_that_says(tmp_path / "e", status, "no") as host, pytest.raises(kind):
        ask(host)


def test_calls_of_many_students_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def storm(host: str) -> float:
        engine = Engine(host)
        begin = time.monotonic()
        await asyncio.gather(*(engine.call("inspect_container", "x") for _ in range(8)))
        return time.monotonic() - begin

    with engine_that_says(tmp_path / "e", 200, "", after=0.5) as host:
        assert asyncio.run(storm(host)) < 2  # one after the other: 4 s


def test_one_engine_has_one_client() -> None:
    assert shared_engine("unix:///a.sock") is shared_engine("unix:///a.sock")
