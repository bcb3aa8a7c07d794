"""The root helper: takes a home's name and an action, and nothing else. The hub asks it; the hub is not root.

One request a connection, one line of JSON each way: `{"action": "make", "home": "classroom-home-ada"}` is answered
`{"empty": true}`, what went wrong `{"error": "..."}`. How much a home may hold, and where homes are, come from the
settings file, which only root writes. `make` makes the home if there is none and bounds it, `use` counts what is in it;
`check` takes no home and names what is wrong with the storage.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import socket
import struct
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.storage import folders, quota

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.settings.models import Storage

LONGEST = 1024
"""Bytes of a request."""

_THREADS = 4
_PATIENCE = 10.0  # seconds for a request to come and for its answer to be taken
_IDLE = 300.0  # seconds without a request after which it ends, when systemd holds the socket
_FIRST_FD = 3  # sd_listen_fds(3)

_log = logging.getLogger(__name__)


def serve(settings_file: Path, user: str | None = None, listen: Path | None = None) -> None:
    """Answer until idle (with a socket of systemd's) or for ever (with one of its own).

    Args:
        settings_file: read anew for each request.
        user: who may ask beside root: the hub's user.
        listen: where to listen, if systemd does not; the socket is the user's own.

    Raises:
        ClassroomError: no such user, or the socket cannot be made.
    """
    allowed = {0, os.geteuid()} | ({_uid(user)} if user else set())
    listener = _activated() if listen is None else _bound(listen, _uid(user) if user else os.geteuid())
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
            running.add(pool.submit(_answer, connection, settings_file, allowed))
            # Who comes while all threads are busy waits in the socket's own queue.
            running = wait(running, None if len(running) >= _THREADS else 0, FIRST_COMPLETED).not_done


def answer(request: bytes, settings_file: Path) -> dict[str, Any]:
    """Do what a request asks.

    Raises:
        ClassroomError: it asks for nothing that there is, or it cannot be done.
    """
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError) as error:
        raise ClassroomError("the request is not JSON") from error
    settings = load_settings(settings_file)
    storage = settings.storage
    if storage.path is None:
        raise ClassroomError('homes are volumes of the engine here: there is nothing to do (storage.kind is "volumes")')
    if asked == {"action": "check"}:
        return {"mistakes": mistakes(storage)}
    match asked:
        case {"action": str(action), "home": str(home), **other} if action in _ACTIONS and not other:
            name = folders.check_name(home, settings.docker.prefix)
        case _:
            raise ClassroomError('a request is {"action": "make" or "use", "home": NAME} or {"action": "check"}')
    with folders.opened(storage.path) as store:
        return _ACTIONS[action](store, name, storage)


def mistakes(storage: Storage) -> list[str]:
    """What is wrong with the folder of all homes, a sentence each with what mends it."""
    if storage.path is None:
        return []
    try:
        with folders.opened(storage.path) as store:
            if os.fstatvfs(store).f_flag & os.ST_RDONLY:
                return [f"storage.path {storage.path} is mounted read-only; run: mount -o remount,rw {storage.path}"]
            found = quota.mistake(store, storage.path) if storage.quota else None
            return [found] if found else []
    except ClassroomError as error:
        return [str(error)]


def _make(store: int, name: str, storage: Storage) -> dict[str, Any]:
    folders.make(store, name)
    with folders.home(store, name) as found:
        try:
            if storage.quota:
                quota.bound(store, found, name, storage.quota, storage.files)
            else:
                quota.unbound(store, found)
        except OSError as error:
            # The student works all the same; who looks after the machine is told at each start.
            _log.error("%s has no bound: %s", name, error.strerror)
        return {"empty": folders.is_empty(found)}


def _use(store: int, name: str, _storage: Storage) -> dict[str, Any]:
    with folders.home(store, name) as found:
        spent = quota.spent(store, found)
        return {**asdict(folders.use(found)), "quota": (spent.most or None) if spent else None}


_ACTIONS: dict[str, Callable[[int, str, Storage], dict[str, Any]]] = {"make": _make, "use": _use}


def _answer(connection: socket.socket, settings_file: Path, allowed: set[int]) -> None:
    with connection:
        connection.settimeout(_PATIENCE)
        try:
            if (asker := _peer(connection)) not in allowed:
                raise ClassroomError(f"user {asker} may not ask for homes")  # noqa: TRY301 - answered below
            reply = answer(_read(connection), settings_file)
        except ClassroomError as error:
            _log.warning("%s", error)
            reply = {"error": str(error)}
        except OSError as error:
            _log.exception("a request failed")
            reply = {"error": f"the storage failed ({error.strerror})"}
        try:
            connection.sendall(json.dumps(reply).encode() + b"\n")
        except OSError as error:
            _log.warning("an answer was not taken: %s", error)


def _read(connection: socket.socket) -> bytes:
    request = b""
    while b"\n" not in request:
        if len(request) > LONGEST:
            raise ClassroomError(f"a request has at most {LONGEST} bytes")
        if not (part := connection.recv(LONGEST)):
            break
        request += part
    return request


def _peer(connection: socket.socket) -> int:
    """Who asks, as the kernel says (unix(7), SO_PEERCRED)."""
    credentials = struct.Struct("=iII")
    _, uid, _ = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))
    return int(uid)


def _uid(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise ClassroomError(f"there is no user {user} on this machine; name the hub's user with --user") from error


def _activated() -> socket.socket:
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise ClassroomError("systemd has given no socket; start the socket's unit, or write --listen PATH")
    return socket.socket(fileno=_FIRST_FD)


def _bound(path: Path, owner: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        os.chown(path, owner, -1)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise ClassroomError(f"{path}: cannot be listened on ({error.strerror}); name another --listen") from error
    return listener
