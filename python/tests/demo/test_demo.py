"""The page of `make demo`, Ctrl-C, what a second start finds, and what is told when it cannot start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.demo_user import PROXY, TEACHERS, Demo, Person, copy_checkout, still_running, teacher_with_a_password
from support.network import free_port
from support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(not shutil.which("make"), reason="make is not installed"),
    pytest.mark.skipif(not PROXY.exists(), reason="the proxy is not installed: make .cache/node/ready"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    copy = copy_checkout(tmp_path / "checkout")
    yield copy
    left = still_running(copy)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "the demo left processes behind"


def test_a_class_starts_stops_and_is_found_again(checkout: Path) -> None:
    port = free_port()
    first = Demo(checkout, port)
    first.wait_until("Logs:")
    address = first.found("Address")
    assert address == f"http://127.0.0.1:{port}/"
    assert "isolates nobody" in first.said

    student = Person(address)
    assert student.web.get("").url.path == "/hub/login"
    assert student.sign_up("ada").url.path == "/hub/waiting"
    teacher = teacher_with_a_password(first)
    teacher.start_server("teacher")
    assert len(still_running(checkout)) > 3
    said = subprocess.run(
        [Path(sys.executable).with_name("classroom"), "doctor", "--json", f"--settings={checkout}/.demo/settings.json"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [each for each in json.loads(said.stdout)["findings"] if each["state"] == "wrong"] == []
    first.press_ctrl_c()
    assert "The demo has stopped." in first.said
    assert not still_running(checkout)

    second = Demo(checkout, port)
    second.wait_until("Logs:")
    assert second.found("Password") == "the one you chose"
    teacher = Person(address)
    teacher.sign_in("teacher", TEACHERS)
    assert "ada" in teacher.web.get("hub/authorize").text
    assert list((checkout / ".demo/state/homes").glob("*-home-teacher/Welcome.ipynb"))
    remove = ["make", "demo-remove", f"PYTHON={sys.executable}"]
    assert subprocess.run(remove, cwd=checkout, check=False, capture_output=True).returncode, "it runs"
    second.press_ctrl_c()
    subprocess.run(remove, cwd=checkout, check=True)
    assert not (checkout / ".demo").exists()


def test_a_port_in_use_is_told_with_what_to_write(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        demo = Demo(checkout, port)
        assert demo.end() != 0
    assert f"Port {port} is in use by another program: choose another, make demo PORT=8000" in demo.said


def test_a_python_without_venv_is_told_with_the_command(checkout: Path) -> None:
    script = "import runpy, sys; sys.modules['ensurepip'] = None; runpy.run_module('demo', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PORT": str(free_port()), "ENGINE": "process"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"run `apt-get install python3.{sys.version_info[1]}-venv`" in done.stderr


def test_an_engine_that_is_not_there_is_told_at_once(checkout: Path) -> None:
    demo = Demo(checkout, free_port(), ENGINE="docker", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert demo.end() != 0
    assert "ENGINE=docker: no Docker engine answers at unix:///nowhere/docker.sock; ENGINE=process shows" in demo.said


def test_a_hub_that_dies_is_shown_with_its_last_lines(checkout: Path) -> None:
    state = checkout / ".demo" / "state"
    state.mkdir(parents=True)
    (state / "jupyterhub.sqlite").write_text("no database")
    demo = Demo(checkout, free_port())
    assert demo.end() != 0
    assert "The hub has stopped" in demo.said
    assert "file is not a database" in demo.said
    assert str(checkout / ".demo" / "log" / "hub.log") in demo.said


def test_a_second_demo_of_a_checkout_is_refused_and_a_killed_one_takes_its_class_along(checkout: Path) -> None:
    first = Demo(checkout, free_port())
    first.wait_until("Logs:")
    second = Demo(checkout, free_port())
    assert second.end() != 0
    pid = int((checkout / ".demo" / "lock").read_text())
    assert f"A demo of this checkout already runs (process {pid})" in second.said

    os.kill(pid, signal.SIGKILL)
    first.end()
    wait_until(lambda: not still_running(checkout), "nothing of the killed demo runs", 20)
