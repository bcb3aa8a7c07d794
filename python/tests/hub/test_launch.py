"""The hub in its own process: how it stops."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.demo_user import PROXY
from support.http import answers
from support.network import free_port
from support.processes import classroom
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(not PROXY.exists(), reason="the proxy is not installed: make .cache/node/ready")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    """Return the settings of a class whose proxy runs."""
    file = tmp_path / "settings.json"
    content = {
        "spawner": "process",
        "paths": {"state": str(tmp_path / "state"), "runtime": str(tmp_path)},
        "hub": {"listen": f"127.0.0.1:{free_port()}"},
        "proxy": {
            "listen": f"127.0.0.1:{free_port()}",
            "api": f"127.0.0.1:{free_port()}",
            "command": [str(PROXY)],
        },
    }
    file.write_text(json.dumps(content))
    proxy = subprocess.Popen(classroom("proxy", "--settings", str(file)))
    yield file
    proxy.terminate()
    proxy.wait()


def has_started(hub: subprocess.Popen[bytes], address: str) -> bool:
    """Return whether the hub and its service answer."""
    assert hub.poll() is None
    services = Path(f"/proc/{hub.pid}/task/{hub.pid}/children").read_text().split()
    return bool(services) and answers(f"http://{address}/hub/health")


def test_a_hub_that_a_script_started_in_the_background_stops_at_once(settings: Path) -> None:
    # A shell without job control does this for commands that end with &.
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    hub = subprocess.Popen([*ignoring, *classroom("hub", "--settings", str(settings))])
    address = json.loads(settings.read_text())["hub"]["listen"]
    try:
        wait_until(lambda: has_started(hub, address), "the hub and its service are up")
        begin = time.monotonic()
        hub.terminate()
        hub.wait(60)
        assert time.monotonic() - begin < 8  # upstream gives each of three signals ten seconds
    finally:
        hub.kill()
        hub.wait()
