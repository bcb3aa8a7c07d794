"""Server of the filter: it reads a request of the hub, asks the rules, and sends a new request to the engine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import tempfile
from typing import IO, TYPE_CHECKING, Any

from aiohttp import ClientConnectionError, ClientError, ClientSession, ClientTimeout, UnixConnector, web

from classroom.docker.client import API_VERSION
from classroom.docker.features import missing_feature
from classroom.engine_filter.archive import copy_archive
from classroom.engine_filter.request import MAX_BODY_BYTES, PING, RefusedError
from classroom.engine_filter.rules import START, Call, check_container, decide
from classroom.errors import ClassroomError
from classroom.gpus.inventory import cdi_cache_at
from classroom.listeners import create_socket, systemd_socket, user_id
from classroom.settings.file import load_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import ClientResponse

    from classroom.docker.features import Feature
    from classroom.settings.models import Settings

_CONNECT_TIMEOUT = 5.0  # seconds
_END_TIMEOUT = 5.0  # seconds for requests in progress when the filter ends
_MAX_ARCHIVE_BYTES = 4 * 1024**3
_CHUNK = 64 * 1024  # bytes
_IN_MEMORY = 16 * 1024**2  # bytes
_SHOWN_HEADERS = ("Content-Type", "Content-Length", "X-Docker-Container-Path-Stat")

_log = logging.getLogger(__name__)


def serve(settings_file: Path, user: str | None = None, listen: Path | None = None) -> None:
    """Pass requests of the hub to the engine until stopped.

    Args:
        settings_file: read again after each change.
        user: the hub's user, who owns the socket.
        listen: the path of its own socket; None takes systemd's.

    Raises:
        ClassroomError: the settings are not valid, or the socket cannot be created.
    """
    engine_socket(load_settings(settings_file))
    listener = systemd_socket() if listen is None else create_socket(listen, user_id(user) if user else os.geteuid())
    asyncio.run(_serve(Filter(settings_file), listener))


def engine_socket(settings: Settings) -> str:
    """Return the path of the engine's socket.

    Raises:
        ClassroomError: the engine listens elsewhere.
    """
    if not settings.docker.host.startswith("unix://"):
        raise ClassroomError(f"docker.host {settings.docker.host} is no Unix socket: write docker.filter = null")
    return settings.docker.host.removeprefix("unix://")


async def _serve(filter_: Filter, listener: socket.socket) -> None:
    # A client that goes away ends its request to the engine, such as a stream of events.
    runner = web.ServerRunner(
        web.Server(filter_.handle, handler_cancellation=True, access_log=None), shutdown_timeout=_END_TIMEOUT
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    _log.info("The hub's requests to the Docker engine are filtered")
    end = asyncio.Event()
    # As process 1 of a container it would ignore the signal otherwise (kill(2)).
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()
    await runner.cleanup()


class Filter:
    """The filter of one class."""

    def __init__(self, settings_file: Path) -> None:
        """Remember the settings file without reading it."""
        self._file = settings_file
        self._signature: object = None
        self._read: Settings | None = None
        self._missing: frozenset[Feature] = frozenset()

    def settings(self) -> Settings:
        """Return the settings as the file is now.

        Raises:
            ClassroomError: the file cannot be read or has problems.
        """
        try:
            status = self._file.stat()
        except OSError as error:
            raise ClassroomError(f"{self._file}: cannot be read ({error.strerror})") from error
        # All files of the Nix store have one time of change.
        signature = self._file.resolve(), status.st_mtime_ns, status.st_size, status.st_ino
        if self._read is None or signature != self._signature:
            self._read, self._signature = load_settings(self._file), signature
        return self._read

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request: as the engine does, or with 403 and the reason."""
        try:
            settings = self.settings()
            if "Upgrade" in request.headers:
                raise RefusedError("The hub opens no connection to a container's programs.")  # noqa: TRY301 - answered below
            call = await self._decide(request, settings)
            connector = UnixConnector(engine_socket(settings))
            timeout = ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)
            async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as engine:
                return await _forward(engine, request, call, settings, self._learn)
        except RefusedError as error:
            _log.warning("Refused: %s", error)
            return _answer(403, str(error))
        except ClassroomError as error:
            _log.error("%s", error)
            return _answer(403, str(error))
        except (ClientConnectionError, TimeoutError) as error:
            # 502 is the filter's: the engine does not send it, and the hub waits for the engine.
            reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
            return _answer(502, f"The Docker engine does not answer ({reason}).")

    async def _decide(self, request: web.BaseRequest, settings: Settings) -> Call:
        # An archive is the only body that is not read at once.
        is_archive = request.method == "PUT"
        body = b"" if is_archive else await _read(request)

        def find() -> Call:
            return decide(
                request.method,
                request.raw_path,
                body,
                settings,
                lambda: cdi_cache_at(settings.gpu.cdi_dirs).read(),
                self._missing,
            )

        return await asyncio.to_thread(find) if body else find()

    def _learn(self, answer: str) -> None:
        """Remember what is missing by the engine's answer to a start: containers may do without it from now on."""
        if feature := missing_feature(answer):
            _log.info("The machine does not have %s", feature.value)
            self._missing |= {feature}


async def _read(request: web.BaseRequest) -> bytes:
    body = b""
    async for chunk in request.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RefusedError(f"The body has more than {MAX_BODY_BYTES} bytes.")
    return body


async def _forward(
    engine: ClientSession, request: web.BaseRequest, call: Call, settings: Settings, learn: Callable[[str], None]
) -> web.StreamResponse:
    path = call.path
    if call.container:
        async with engine.get(_url(f"containers/{call.container}/json")) as found:
            content = await found.read()
            if found.status != 200:
                return web.Response(body=content, status=found.status, content_type="application/json")
            details: dict[str, Any] = json.loads(content)
        check_container(call, details, settings)
        if path == "containers/{id}/json":
            return web.Response(body=content, content_type="application/json")
        path = path.replace("{id}", details["Id"])  # a name could mean another container by now
    if call.archive:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as files:
            await _copy(request, files)
            headers = {"Content-Type": "application/x-tar"}
            async with engine.put(_url(path), params=call.query, data=files, headers=headers) as answer:
                return await _stream(request, answer)
    body = None if call.body is None else json.dumps(call.body).encode()
    headers = {"Content-Type": "application/json"} if body else {}
    async with engine.request(call.method, _url(path), params=call.query, data=body, headers=headers) as answer:
        if call.path == START and answer.status >= 400:
            content = await answer.read()
            learn(content.decode(errors="replace"))
            return web.Response(body=content, status=answer.status, content_type="application/json")
        return await _stream(request, answer)


async def _copy(request: web.BaseRequest, files: IO[bytes]) -> None:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as received:
        size = 0
        async for chunk in request.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > _MAX_ARCHIVE_BYTES:
                raise RefusedError(f"The archive has more than {_MAX_ARCHIVE_BYTES} bytes.")
            received.write(chunk)
        received.seek(0)
        await asyncio.to_thread(copy_archive, received, files)
    files.seek(0)


async def _stream(request: web.BaseRequest, answer: ClientResponse) -> web.StreamResponse:
    headers = {name: answer.headers[name] for name in _SHOWN_HEADERS if name in answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (ClientError, ConnectionError):
        # One of the two sides has gone: the other one sees an answer without its end.
        if request.transport is not None:
            request.transport.abort()
    return response


def _url(path: str) -> str:
    # The host is the engine's socket, whatever the name.
    return f"http://engine{path}" if path == PING else f"http://engine/v{API_VERSION}/{path}"


def _answer(status: int, message: str) -> web.Response:
    # The engine's form of an error (https://docs.docker.com/reference/api/engine/version/v1.44/#section/Errors).
    answer = web.json_response({"message": message}, status=status)
    answer.force_close()  # what follows a refused request on its connection is not read
    return answer
