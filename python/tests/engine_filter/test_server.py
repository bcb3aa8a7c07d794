"""`classroom engine-filter`, as systemd and Docker Compose start it; no engine answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from classroom.docker.client import API_VERSION
from support.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the filter's socket."""
    return tmp_path / "filter.sock"


@pytest.fixture
def running(tmp_path: Path, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the filter in place of one that was killed."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"docker": {"host": f"unix://{tmp_path}/none.sock"}}))
    path.touch()
    command = [str(Path(sys.executable).with_name("classroom")), "engine-filter"]
    options = [f"--listen={path}", f"--settings={settings}"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        wait_until(path.is_socket, "the filter listens", 30)
        yield process
        process.kill()


@pytest.fixture
def hub(running: subprocess.Popen[str], path: Path) -> docker.APIClient:
    assert running.poll() is None
    return docker.APIClient(base_url=f"unix://{path}", version=API_VERSION, timeout=10)


def test_only_its_owner_can_connect(running: subprocess.Popen[str], path: Path) -> None:
    assert running.poll() is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_engine_that_is_away_is_reported_as_such(hub: docker.APIClient) -> None:
    with pytest.raises(docker.errors.APIError) as error:
        hub.containers(filters={"label": ["org.classroom.user"]})
    assert error.value.status_code == 502
    assert "The Docker engine does not answer (No such file or directory)." in str(error.value.explanation)


def test_it_refuses_without_asking_the_engine(hub: docker.APIClient) -> None:
    with pytest.raises(docker.errors.APIError, match="GET info is not a request of the hub") as error:
        hub.info()
    assert error.value.status_code == 403


def test_settings_with_a_mistake_let_nothing_pass(hub: docker.APIClient, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"docker": {"hots": "x"}}')
    with pytest.raises(docker.errors.APIError, match=r"docker\.hots") as error:
        hub.containers(filters={"label": ["org.classroom.user"]})
    assert error.value.status_code == 403


def test_it_ends_at_once_when_it_is_told_to(running: subprocess.Popen[str], hub: docker.APIClient) -> None:
    with pytest.raises(docker.errors.APIError):
        hub.info()
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0
