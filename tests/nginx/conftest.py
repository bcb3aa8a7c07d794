"""A real Nginx, with the include files as they are shipped, in front of small real upstreams or the real proxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from upstreams import Upstream

from classroom.nginx import Front, render
from classroom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIRECTIVES = Path(__file__).parents[2] / "modules" / "nginx"
PAGES = DIRECTIVES / "pages"
NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
OLD_NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program for as long as the block lasts; what it said is printed, for pytest to show with a failure."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        print(f"--- {log.name}\n{log.read_text()[-4000:]}")


@dataclass(frozen=True)
class Site:
    """A running Nginx and what is behind it."""

    directory: Path
    settings: Settings
    front: Front

    @property
    def url(self) -> str:
        scheme = "https" if self.front.certificate else "http"
        return f"{scheme}://{self.front.listen[0]}"

    @property
    def bridge(self) -> str:
        return f"http://{self.settings.network.gateway}:{self.settings.network.api_port}"

    @property
    def access_log(self) -> str:
        return (self.directory / "access.log").read_text()

    def client(self, address: str = "127.0.0.1", **options: Any) -> httpx.Client:
        """A browser at this address of the loopback network."""
        transport = httpx.HTTPTransport(local_address=address, verify=False)
        return httpx.Client(base_url=self.url, transport=transport, timeout=20, **options)


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Short enough a name for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="nginx-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def serving(directory: Path, name: str, hub: str, proxy: str, **options: Any) -> Iterator[Site]:
    """Nginx in front of these two."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    here = directory / name
    here.mkdir()
    # Any address of 127.0.0.0/8 is this machine: the "gateway" needs no bridge.
    settings = Settings.model_validate(
        {
            "hub": {"listen": hub},
            "proxy": {"listen": proxy},
            "network": {"subnet": "127.0.0.0/20", "apiPort": free_port()},
        },
        by_name=False,
    )
    # Started by root, Nginx gives its workers to "nobody", who may neither open our sockets nor read a checkout in /root.
    user = "root" if os.geteuid() == 0 else None
    address = f"127.0.0.1:{free_port()}"
    front = Front(directives=DIRECTIVES, directory=here, listen=(address,), user=user, **options)
    config = here / "nginx.conf"
    config.write_text(render(settings, front))
    host, port = address.split(":")
    with running(["nginx", "-e", "stderr", "-c", str(config)], here / "nginx.log", env={"PATH": os.environ["PATH"]}):
        wait_for(lambda: socket.socket().connect_ex((host, int(port))) == 0, f"{name} listens")
        yield Site(here, settings, front)


@pytest.fixture(scope="session")
def hub() -> Iterator[Upstream]:
    with Upstream("hub") as server:
        yield server


@pytest.fixture(scope="session")
def proxy(directory: Path) -> Iterator[Upstream]:
    """In the place of the proxy, where the test is about Nginx alone."""
    with Upstream("proxy", path=directory / "proxy.sock") as server:
        yield server


@pytest.fixture(scope="session")
def site(directory: Path, hub: Upstream, proxy: Upstream) -> Iterator[Site]:
    """Open to browsers at once: nothing in front of it is trusted."""
    with serving(directory, "site", hub.address, proxy.address) as found:
        yield found


@pytest.fixture(scope="session")
def tunnelled(directory: Path, hub: Upstream, proxy: Upstream) -> Iterator[Site]:
    """Behind a tunnel that ends TLS at 127.0.0.1; every other address is a stranger."""
    with serving(directory, "tunnelled", hub.address, proxy.address, trusted=("127.0.0.1",)) as found:
        yield found


@dataclass(frozen=True)
class RealProxy:
    """configurable-http-proxy, as the class runs it."""

    command: list[str]
    directory: Path
    api: httpx.Client

    @property
    def address(self) -> str:
        return f"unix:{self.directory / 'chp.sock'}"

    @contextlib.contextmanager
    def up(self) -> Iterator[RealProxy]:
        environment = {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": "of-this-test"}
        with running(self.command, self.directory / "chp.log", env=environment):
            wait_for(lambda: (self.directory / "chp.sock").exists(), "the proxy listens")
            wait_for(self._answers, "the proxy's API answers")
            yield self

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.api.get("/api/routes").status_code == 200
        return False

    def route(self, path: str, target: str) -> None:
        assert self.api.post(f"/api/routes{path}", json={"target": target}).status_code == 201


@pytest.fixture
def real_proxy(directory: Path) -> Iterator[Callable[[str], RealProxy]]:
    """Makes the real proxy in front of a hub's address; start it with up()."""
    program = os.environ.get("CLASSROOM_TEST_PROXY") or shutil.which("configurable-http-proxy")
    if not program:
        pytest.skip("configurable-http-proxy is not on PATH (npm install, or name it in CLASSROOM_TEST_PROXY)")
    with tempfile.TemporaryDirectory(prefix="chp-", dir=directory) as name:
        here = Path(name)
        api = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(here / "api.sock")),
            base_url="http://proxy",
            headers={"Authorization": "token of-this-test"},
        )

        def make(hub: str) -> RealProxy:
            arguments = ["--socket", "chp.sock", "--api-socket", "api.sock", "--default-target", f"http://{hub}"]
            command = [program, *(str(here / a) if a.endswith(".sock") else a for a in arguments)]
            return RealProxy([*command, "--error-path", str(PAGES)], here, api)

        yield make
