"""Requests of `ctl` to the supervisor: a JSON object over a Unix socket, together with the caller's standard streams.

A command writes its output directly to these streams.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.listeners import create_socket
from stack import deployment
from stack.common import StackError
from stack.supervisor import ALL_PARTS, log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stack.parts import Part
    from stack.supervisor import Supervisor

_REQUEST = 1 << 20


def ask(control: Path, arguments: Sequence[str], streams: Sequence[int] = (0, 1, 2)) -> int:
    """Send a request to the supervisor and return its exit status. Output goes to the given streams.

    Raises:
        StackError: no supervisor answers.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(control))
        except OSError as error:
            raise StackError(f"no stack answers at {control} ({error.strerror})") from error
        request = json.dumps({"arguments": list(arguments), "directory": str(Path.cwd())}).encode()
        socket.send_fds(connection, [request], list(streams))
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    if not answer:
        raise StackError("the stack ended while it was asked")
    return int(answer)


def serve(supervisor: Supervisor) -> None:
    """Answer requests in threads from now on."""
    listener = create_socket(supervisor.layout.control, os.getuid())

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(supervisor, connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _answer(supervisor: Supervisor, connection: socket.socket) -> None:
    with connection:
        data, streams, _, _ = socket.recv_fds(connection, _REQUEST, 3)
        try:
            request = json.loads(data)
            status = _obey(supervisor, request, streams, connection)
        except (StackError, OSError, ValueError, LookupError, TypeError) as error:
            with os.fdopen(os.dup(streams[2]), "w") as file:
                file.write(f"{error}\n")
            status = 1
        finally:
            for stream in streams:
                os.close(stream)
        connection.sendall(str(status).encode())


def _obey(supervisor: Supervisor, request: dict[str, Any], streams: list[int], connection: socket.socket) -> int:
    verb, *rest = request["arguments"]
    commands = {"exec": list, "docker": supervisor.docker, "outside": supervisor.in_world}
    if verb in commands:
        command = [*commands[verb](), *rest]
        return _execute(supervisor, command, request["directory"], streams, connection)
    if verb in _ANSWERS:
        text = _ANSWERS[verb](supervisor, *rest)
        with os.fdopen(os.dup(streams[1]), "w") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        return 0
    if verb == "reload":
        _reload(supervisor, json.loads(rest[0]))
    else:
        _change(supervisor.parts[rest[0]], verb)
    return 0


_ANSWERS: dict[str, Callable[..., str]] = {
    "settings": lambda supervisor: str(supervisor.layout.settings),
    "directory": lambda supervisor: str(supervisor.layout.directory),
    "logs": lambda supervisor, name: supervisor.layout.log(name).read_text(errors="replace"),
    "status": lambda supervisor: "\n".join(
        f"{name} {'up' if part.running else 'down'}" for name, part in supervisor.parts.items()
    ),
}


def _change(part: Part, verb: str) -> None:
    with part.lock:
        if verb in {"stop", "restart"}:
            part.stop()
        elif verb == "kill":
            part.stop(signal.SIGKILL)
        if verb in {"start", "restart"}:
            log(f"{part.name} started in {part.start():.1f} s")


def _reload(supervisor: Supervisor, patch: dict[str, Any]) -> None:
    path = supervisor.layout.settings
    merged = deployment.merge(json.loads(path.read_text(encoding="utf-8")), patch)
    path.write_text(json.dumps(merged, indent=2), encoding="utf-8")
    for name in ["hub", "nginx"] if "network" in patch else ["hub"]:
        _change(supervisor.parts[name], "restart")


def _execute(
    supervisor: Supervisor, command: Sequence[str], directory: str, streams: list[int], connection: socket.socket
) -> int:
    """Run a command with the caller's streams; it is killed when the caller ends."""
    process = subprocess.Popen(
        list(command),
        cwd=directory,
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        env=supervisor.environment(),
        start_new_session=True,
    )
    gone = select.poll()
    gone.register(connection, select.POLLIN | select.POLLHUP)
    while True:
        try:
            return process.wait(0.02)
        except subprocess.TimeoutExpired:
            if gone.poll(0):
                os.killpg(process.pid, signal.SIGKILL)
                return process.wait()


VERBS = {
    "start": f"start a part: {', '.join(ALL_PARTS)}",
    "stop": "stop a part",
    "restart": "stop and start a part; containers outlive a restart of any of them",
    "kill": "end a part at once, as a crash does",
    "logs": "print the log of a part (also: supervisor, world, root)",
    "exec": "run a command on the server",
    "docker": "run Docker's client",
    "outside": "run a command on a machine outside the server",
    "settings": "print the path of settings.json",
    "directory": "print the path of a directory for files of tests, which containers reach at the same path",
    "reload": "merge a JSON object into settings.json (RFC 7386) and restart the hub",
    "status": "print which parts are up",
}
"""Verbs and what they do."""
