"""Small real servers behind Nginx: they echo the request, or answer as a test needs."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, Self

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

if TYPE_CHECKING:
    from pathlib import Path

REPLY = "X-Test-Reply"
"""A request header, JSON: status, headers, body and size of the answer."""


class Upstream:
    """One server on its own thread, in the hub's place, the proxy's, or a student's.

    Attributes:
        first_byte: set when the first byte of the body of a request to .../upload has come.
        go_on: semaphore that .../stream acquires before each of its three lines.
        gate_requests: headers of the requests to the gate.
    """

    def __init__(self, name: str, *, port: int = 0, path: Path | None = None) -> None:
        self.name, self.port, self.path = name, port, path
        self.gate_requests: list[dict[str, str]] = []
        self.first_byte, self.go_on = threading.Event(), threading.Semaphore(0)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10), f"{self.name} does not listen"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def address(self) -> str:
        return f"unix:{self.path}" if self.path else f"127.0.0.1:{self.port}"

    async def _serve(self) -> None:
        here = {"upstream": self}
        application = tornado.web.Application(
            [
                (r"/hub/api/classroom/gate", Gate, here),
                (r".*/ws", Socket, here),
                (r".*/stream", Stream, here),
                (r".*/upload", Upload, here),
                (r".*", Echo, here),
            ]
        )
        server = tornado.httpserver.HTTPServer(application, max_body_size=1024**3)
        if self.path:
            self.path.unlink(missing_ok=True)
            server.add_socket(tornado.netutil.bind_unix_socket(str(self.path)))
        else:
            sockets = tornado.netutil.bind_sockets(self.port, "127.0.0.1")
            self.port = sockets[0].getsockname()[1]
            server.add_sockets(sockets)
        self._up.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()


class Echo(tornado.web.RequestHandler):
    """Handler that answers with the request."""

    def initialize(self, upstream: Upstream) -> None:
        self.upstream = upstream

    def answer(self) -> None:
        request = self.request
        reply: dict[str, Any] = json.loads(request.headers.get(REPLY, "{}"))
        self.set_status(reply.get("status", 200))
        for name, value in reply.get("headers", {}).items():
            self.set_header(name, value)
        received = {
            "server": self.upstream.name,
            "method": request.method,
            "uri": request.uri,
            "version": request.version,
            "headers": list(request.headers.get_all()),
            "size": len(request.body),
            "peer": id(getattr(request.connection, "stream", None)),  # the same for as long as the connection
        }
        self.finish("x" * reply["size"] if "size" in reply else reply.get("body", received))

    get = post = put = delete = patch = head = options = answer


class Gate(Echo):
    """Handler in place of the hub's gate: it admits the cookie or the token "alice", and records the requests."""

    async def get(self) -> None:  # type: ignore[override]
        headers = self.request.headers
        self.upstream.gate_requests.append(dict(headers.get_all()))
        token = headers.get("Authorization", "").removeprefix("token ")
        admitted = "alice" in {headers.get("X-Classroom-Gate"), token}
        self.set_status(204 if admitted else 403)


class Stream(Echo):
    """Handler that sends a line whenever the test allows it."""

    async def get(self) -> None:  # type: ignore[override]
        lines = ["one", "two", "three"]
        # Not chunked, and more than a first line: Nginx passes on chunks, and what comes with the header, in any case.
        self.set_header("Content-Length", str(sum(len(line) + 1 for line in lines)))
        for line in lines:
            if not await asyncio.to_thread(self.upstream.go_on.acquire, timeout=5):
                raise TimeoutError("nobody has read the line before")
            self.write(line + "\n")
            await self.flush()


@tornado.web.stream_request_body
class Upload(Echo):
    """Handler that records when a body begins to arrive."""

    size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.upstream.first_byte.set()

    def put(self) -> None:
        self.finish({"size": self.size})


class Socket(tornado.websocket.WebSocketHandler):
    """Websocket that returns every message."""

    def initialize(self, upstream: Upstream) -> None:
        self.upstream = upstream

    def on_message(self, message: str | bytes) -> None:
        if message == "headers":
            self.write_message({name: self.request.headers.get(name) for name in ("Cookie", "Authorization")})
            return
        self.write_message(f"{self.upstream.name}: {message!s}")
