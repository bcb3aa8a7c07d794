"""The root helper of the hub, which is not root: it takes an action and a home's name, and nothing else.

Each connection carries one request and one answer, a line of JSON each: `{"action": "make", "home":
"classroom-home-ada"}` is answered `{"empty": true}`, or `{"error": "..."}`. Quota and path of homes come from the
settings file, which only root writes. `make` creates the home if there is none and sets its quota; `keep` does the same
for a home that must exist, because the engine has an older volume of this name. `use` measures a home; `check` takes no
home and returns the problems of the storage.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError
from classroom.listeners import create_socket, systemd_socket, user_id
from classroom.settings.file import load_settings
from classroom.storage import home_directories, quota

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.settings.models import Storage

MAX_REQUEST_BYTES = 1024

_THREADS = 4
_TIMEOUT = 10.0  # seconds for a request to arrive and for its answer to be read
_IDLE = 300.0  # seconds without a request after which it exits, if systemd holds the socket

_log = logging.getLogger(__name__)


def serve(settings_file: Path, user: str | None = None, listen: Path | None = None) -> None:
    """Answer requests until idle (with systemd's socket) or until stopped (with its own socket).

    Args:
        settings_file: read again for each request.
        user: the hub's user, who may connect like root.
        listen: the path of its own socket, which the user owns; None takes systemd's.

    Raises:
        ClassroomError: there is no such user, or the socket cannot be created.
    """
    allowed = {0, os.geteuid()} | ({user_id(user)} if user else set())
    listener = systemd_socket() if listen is None else create_socket(listen, user_id(user) if user else os.geteuid())
    if listen is None:
        listener.settimeout(_IDLE)
    running: set[Future[None]] = set()
    with listener, ThreadPoolExecutor(_THREADS) as pool:
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if not wait(running, 0).not_done:
                    return
                continue
            running.add(pool.submit(_serve_connection, connection, settings_file, allowed))
            # While all threads are busy, further connections wait in the queue of the socket.
            running = wait(running, None if len(running) >= _THREADS else 0, FIRST_COMPLETED).not_done


def handle_request(request: bytes, settings_file: Path) -> dict[str, Any]:
    """Carry out a request and return the answer.

    Raises:
        ClassroomError: the request is invalid, or it failed.
    """
    try:
        content = json.loads(request)
    except (ValueError, RecursionError) as error:
        raise ClassroomError("the request is not JSON") from error
    settings = load_settings(settings_file)
    storage = settings.storage
    if storage.path is None:
        raise ClassroomError('homes are volumes of the engine here: there is nothing to do (storage.kind is "volumes")')
    if content == {"action": "check"}:
        return {"mistakes": check_storage(storage)}
    match content:
        case {"action": str(action), "home": str(home), **other} if action in _ACTIONS and not other:
            name = home_directories.check_home_name(home, settings.docker.prefix)
        case _:
            raise ClassroomError('a request is {"action": "make", "keep", "use", "home": NAME} or {"action": "check"}')
    with home_directories.open_store(storage.path) as store:
        if action == "keep" and not (storage.path / name).exists():
            # The student would find no files, and the move two homes.
            raise ClassroomError(f"the home {name} is a volume of the engine; move it: classroom homes move")
        return _ACTIONS[action](store, name, storage)


def check_storage(storage: Storage) -> list[str]:
    """Return the problems of the directory of all homes, each a sentence with the fix."""
    if storage.path is None:
        return []
    try:
        with home_directories.open_store(storage.path) as store:
            if os.fstatvfs(store).f_flag & os.ST_RDONLY:
                return [f"storage.path {storage.path} is mounted read-only; run: mount -o remount,rw {storage.path}"]
            problem = quota.check_support(store, storage.path) if storage.quota else None
            return [problem] if problem else []
    except ClassroomError as error:
        return [str(error)]


def _create_home(store: int, name: str, storage: Storage) -> dict[str, Any]:
    home_directories.create_home_directory(store, name)
    with home_directories.open_home(store, name) as home:
        try:
            if storage.quota:
                quota.set_limit(store, home, name, storage.quota, storage.files)
            else:
                quota.remove_limit(store, home)
        except OSError as error:
            # The student can work without a quota; each start writes this for the operator.
            _log.error("%s has no quota: %s", name, error.strerror)
        return {"empty": home_directories.is_empty_home(home)}


def _measure_home(store: int, name: str, _storage: Storage) -> dict[str, Any]:
    with home_directories.open_home(store, name) as home:
        usage = quota.read_usage(store, home)
        return {**asdict(home_directories.measure_usage(home)), "quota": (usage.max_bytes or None) if usage else None}


_ACTIONS: dict[str, Callable[[int, str, Storage], dict[str, Any]]] = {
    "make": _create_home,
    "keep": _create_home,
    "use": _measure_home,
}


def _serve_connection(connection: socket.socket, settings_file: Path, allowed: set[int]) -> None:
    with connection:
        connection.settimeout(_TIMEOUT)
        try:
            if (uid := _peer_uid(connection)) not in allowed:
                raise ClassroomError(f"user {uid} may not ask for homes")  # noqa: TRY301 - answered below
            reply = handle_request(_read_request(connection), settings_file)
        except ClassroomError as error:
            _log.warning("%s", error)
            reply = {"error": str(error)}
        except OSError as error:
            _log.exception("a request failed")
            reply = {"error": f"the storage failed ({error.strerror})"}
        try:
            connection.sendall(json.dumps(reply).encode() + b"\n")
        except OSError as error:
            _log.warning("an answer was not read: %s", error)


def _read_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\n" not in request:
        if len(request) > MAX_REQUEST_BYTES:
            raise ClassroomError(f"a request has at most {MAX_REQUEST_BYTES} bytes")
        if not (part := connection.recv(MAX_REQUEST_BYTES)):
            break
        request += part
    return request


def _peer_uid(connection: socket.socket) -> int:
    """Return the user of the client, from the kernel (unix(7), SO_PEERCRED)."""
    credentials = struct.Struct("=iII")
    _, uid, _ = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))
    return int(uid)
