from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from classroom.errors import ClassroomError
from classroom.storage.client import call_helper
from classroom.storage.helper import MAX_REQUEST_BYTES, handle_request, serve
from support.processes import classroom
from support.waiting import wait_until

HOME = "classroom-home-ada"


@pytest.fixture
def helper(settings_file: Path, tmp_path: Path) -> Iterator[Path]:
    """Run the helper in its own process; yield its socket."""
    path = tmp_path / "homes.sock"
    process = subprocess.Popen(
        classroom("homes-helper", "--listen", path, "--settings", settings_file), stderr=subprocess.DEVNULL
    )
    wait_until(path.exists, "the helper listens", 20)
    yield path
    process.terminate()
    process.wait(10)


def say(path: Path, request: bytes) -> Any:
    """Send bytes as they are and give the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return json.loads(connection.makefile("rb").read())


@pytest.mark.anyio
async def test_a_home_is_created_once_and_measured(helper: Path, store: Path) -> None:
    assert await call_helper(helper, "make", HOME) == {"empty": True}
    (store / HOME / "notes").write_bytes(os.urandom(50_000))
    assert await call_helper(helper, "make", HOME) == {"empty": False}
    use = await call_helper(helper, "use", HOME)
    assert use["files"] == 2
    assert use["size"] >= 50_000
    assert use["quota"] is None
    assert await call_helper(helper, "check") == {"mistakes": []}


@pytest.mark.anyio
@pytest.mark.usefixtures("settings_file")
async def test_the_message_for_a_stopped_helper_has_the_command_that_starts_it(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match=r"does not answer .* run: systemctl restart classroom-homes.socket"):
        await call_helper(tmp_path / "homes.sock", "make", HOME)


@pytest.mark.parametrize(
    "request_",
    [b"", b"\n", b"null\n", b"[]\n", b"{}\n", b'"make"\n', b'{"action": "make"}\n', b"\xff\xfe\n",
     b'{"action": "remove", "home": "classroom-home-a"}\n', b'{"action": ["make"], "home": "classroom-home-a"}\n',
     b'{"action": "make", "home": ["classroom-home-a"]}\n', b'{"action": "make", "home": "classroom-home-a", "x": 1}\n',
     b'{"action": "make", "home": "../etc"}\n', b'{"action": "check", "home": "classroom-home-a"}\n',
     b"[" * MAX_REQUEST_BYTES + b"\n", b"x" * (1 << 20)],
    ids=lambda value: value[:40].decode(errors="replace"),
)  # fmt: skip
def test_any_other_request_is_an_error_and_creates_nothing(helper: Path, store: Path, request_: bytes) -> None:
    try:
        assert say(helper, request_).keys() == {"error"}
    except (BrokenPipeError, ConnectionResetError):
        assert len(request_) > MAX_REQUEST_BYTES
    assert list(store.iterdir()) == []
    assert say(helper, b'{"action": "check"}\n') == {"mistakes": []}


def test_a_silent_client_delays_nobody(helper: Path) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in silent:
        client.connect(str(helper))
    assert say(helper, b'{"action": "check"}\n') == {"mistakes": []}
    for client in silent:
        client.close()


def test_many_simultaneous_requests_are_answered(helper: Path, store: Path) -> None:
    requests = [json.dumps({"action": "make", "home": f"{HOME}{number}"}).encode() for number in range(40)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda request: say(helper, request), requests))
    assert answers == [{"empty": True}] * 40
    assert len(list(store.iterdir())) == 40


def test_another_user_is_refused_by_socket_credentials(helper: Path, store: Path) -> None:
    helper.chmod(0o666)
    for folder in helper.parents:
        if folder.stat().st_mode & 0o011 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    request = json.dumps({"action": "make", "home": HOME})
    code = f"""
import os, socket
os.setgroups([]); os.setgid(65534); os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect({str(helper)!r})
connection.sendall({request!r}.encode() + b"\\n")
print(connection.recv(1000).decode())
"""
    output = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert json.loads(output) == {"error": "user 65534 may not ask for homes"}
    assert list(store.iterdir()) == []


def test_the_hubs_user_is_answered(settings_file: Path, store: Path, tmp_path: Path) -> None:
    """The socket is its own, and the way systemd gives one works."""
    path = tmp_path / "given.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    start = f"""
import os
os.dup2({listener.fileno()}, 3)
os.environ |= {{"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}}
os.execv({sys.executable!r}, {classroom("homes-helper", "--settings", settings_file, "--user", "nobody")!r})
"""
    process = subprocess.Popen([sys.executable, "-c", start], pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
    try:
        assert say(path, json.dumps({"action": "make", "home": HOME}).encode()) == {"empty": True}
    finally:
        process.terminate()
        process.wait(10)
        listener.close()
    assert [home.name for home in store.iterdir()] == [HOME]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "systemd has given no socket; start the socket's unit, or write --listen PATH"),
        ({"user": "no-such-user"}, "there is no user no-such-user on this machine; name the hub's user with --user"),
        ({"listen": Path("/proc/no/homes.sock")}, "cannot be listened on"),
    ],
)
def test_an_error_at_the_start_is_one_sentence(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassroomError, match=message):
        serve(tmp_path / "settings.json", **arguments)


def test_the_message_for_a_file_system_without_quotas_has_the_commands(settings_file: Path, store: Path) -> None:
    data = json.loads(settings_file.read_text())
    data["storage"]["quota"] = "1G"
    settings_file.write_text(json.dumps(data))
    (mistake,) = handle_request(b'{"action": "check"}', settings_file)["mistakes"]
    assert f"the file system of {store} has no project quotas" in mistake
    assert "prjquota" in mistake
    # Students can still work.
    assert handle_request(json.dumps({"action": "make", "home": HOME}).encode(), settings_file) == {"empty": True}


def test_the_helper_refuses_requests_when_homes_are_volumes(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")
    with pytest.raises(ClassroomError, match="homes are volumes of the engine here"):
        handle_request(b'{"action": "check"}', file)


def test_a_home_that_is_still_a_volume_is_not_made_as_an_empty_directory(settings_file: Path, store: Path) -> None:
    request = json.dumps({"action": "keep", "home": HOME}).encode()
    with pytest.raises(ClassroomError, match=f"{HOME} is a volume of the engine; move it: classroom homes move"):
        handle_request(request, settings_file)
    (store / HOME).mkdir()
    assert handle_request(request, settings_file) == {"empty": True}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
