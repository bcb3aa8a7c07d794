"""HTTP and websocket client of the checks: over TCP, TLS or a Unix socket, bounded in time and size."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from yarl import URL

from classroom.doctor.checks import reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

_TIMEOUT = 4  # seconds
_LONGEST = 1 << 20  # bytes of an answer that are read


@dataclass(frozen=True)
class Endpoint:
    """The address of a server."""

    listen: str
    """``unix:/path`` or ``address:port``, as in the settings."""
    host: str = "localhost"
    """For the Host header, and TLS."""
    tls: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def url(self, path: str) -> URL:
        """Return the URL of a path that is already quoted."""
        address = "localhost" if self.listen.startswith("unix:") else self.listen
        return URL(f"{'https' if self.tls else 'http'}://{address}{path}", encoded=True)

    def session(self) -> aiohttp.ClientSession:
        """Return a new client session."""
        is_socket = self.listen.startswith("unix:")
        # This machine's own servers; the certificate has a check of its own.
        connector = (
            aiohttp.UnixConnector(self.listen.removeprefix("unix:")) if is_socket else aiohttp.TCPConnector(ssl=False)
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers={"Host": self.host, **self.headers},
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            auto_decompress=False,
            trace_configs=[_no_redirects()],
        )

    @property
    def server_name(self) -> str | None:
        """Return the name for TLS; None without TLS."""
        return URL(f"https://{self.host}").host if self.tls else None


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the server sends
        """Return the body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


async def request(
    endpoint: Endpoint, method: str, path: str, headers: Mapping[str, str] | None = None, data: object = None
) -> Answer:
    """Send a request, with data as JSON, and return the answer.

    Raises:
        OSError: the server does not answer, or not with HTTP.
    """
    body = None if data is None else json.dumps(data)
    with _os_errors():
        async with (
            endpoint.session() as session,
            session.request(
                method, endpoint.url(path), data=body, headers=headers, allow_redirects=False,
                server_hostname=endpoint.server_name,
            ) as response,
        ):  # fmt: skip
            content = bytearray()
            async for chunk in response.content.iter_chunked(_LONGEST):
                content += chunk
                if len(content) >= _LONGEST:
                    break
            return Answer(response.status, bytes(content[:_LONGEST]))


def get(endpoint: Endpoint, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer to a GET, outside of an event loop. Errors as for `request`."""
    return asyncio.run(request(endpoint, "GET", path, headers))


async def websocket_problem(endpoint: Endpoint, path: str) -> str | None:
    """Send a message to an `echo_server` and return what went wrong; None when the message came back."""
    message = secrets.token_hex(8)
    try:
        with _os_errors():
            async with (
                endpoint.session() as session,
                session.ws_connect(
                    endpoint.url(path), max_msg_size=_LONGEST, server_hostname=endpoint.server_name
                ) as socket,
            ):
                await socket.send_str(message)
                answer = await socket.receive(_TIMEOUT)
    except aiohttp.WSServerHandshakeError as error:
        return f"A websocket is answered with status {error.status}"
    except OSError as error:
        return f"A websocket is cut off ({reason(error)})"
    return None if answer.data == message else "A websocket loses messages"


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Serve websockets that send each message back, on loopback; give the port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", _echo)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _echo(incoming: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(max_msg_size=_LONGEST)
    if not socket.can_prepare(incoming):
        return web.Response(status=426)
    await socket.prepare(incoming)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


def _no_redirects() -> aiohttp.TraceConfig:
    """Return a hook that makes a redirect an answer of its own: `ws_connect` would follow it, to any machine."""

    async def refuse(_session: object, _context: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
        response = redirect.response
        response.close()
        raise aiohttp.WSServerHandshakeError(response.request_info, response.history, status=response.status)

    hook = aiohttp.TraceConfig()
    hook.on_request_redirect.append(refuse)
    return hook


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """Translate the client's errors into those of the system, which have texts for people."""
    try:
        yield
    except aiohttp.WSServerHandshakeError:
        raise
    except aiohttp.ClientSSLError as error:
        # Its number is OpenSSL's: as a system error, 1 would be a missing permission.
        raise ConnectionError(error.strerror) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error
    except aiohttp.ServerDisconnectedError as error:
        raise ConnectionError("closed without an answer") from error
    except aiohttp.ClientError as error:
        text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        raise ConnectionError(f"an answer that is not HTTP: {' '.join(text.split())}") from error
