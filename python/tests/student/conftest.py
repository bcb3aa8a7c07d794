from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from student.student_site import Hub, Server
from support.network import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    pytest.importorskip("jupyterhub")
    pytest.importorskip("jupyterlab")
    # Short: kernels' sockets lie below it.
    state = Path(tempfile.mkdtemp(prefix="ch-", dir="/tmp"))
    hub = Hub(state, f"http://127.0.0.1:{free_port()}", secrets.token_hex(16))
    try:
        hub.start()
        yield hub
    finally:
        for user in hub.get("users").json():
            hub.request("DELETE", f"users/{user['name']}/server")
        if hub.process:
            hub.process.terminate()
            hub.process.wait(timeout=30)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def server(hub: Hub) -> Server:
    """Return a server that tests share. Tests that change more than files start their own."""
    return hub.spawn("ann")


@pytest.fixture
def spawn(hub: Hub) -> Iterator[Callable[[str], Server]]:
    """Start servers that end with the test."""
    started: list[Server] = []

    def start(user: str) -> Server:
        server = hub.spawn(user)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Print the hub's and servers' log of a test that failed."""
    report = yield
    hub = getattr(item, "funcargs", {}).get("hub")
    if report.when == "call" and report.failed and hub:
        lines = [line for line in hub.log.splitlines() if "200 GET /hub/api/users/" not in line]
        report.sections.append(("hub and servers", "\n".join(lines[-60:])))
    return report
