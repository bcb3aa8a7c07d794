"""A real Nginx, with the include files as they are shipped, in front of small real upstreams or the real proxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from classroom.hub.nginx import NginxSite, render_nginx_config
from classroom.settings.models import Settings
from support.network import free_port
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).parents[2]
DIRECTIVES = REPOSITORY / "modules" / "nginx"
PAGES = DIRECTIVES / "pages"
NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
OLD_NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}


GATE = {"Cookie": "classroom-gate=alice; __Host-classroom-gate=alice"}
"""The gate's cookie, without and with TLS; the hub of these tests admits it everywhere."""

LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Scheme": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "4444",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
    "CF-Connecting-IP": "203.0.113.9",
    "X_Real_IP": "203.0.113.9",
}


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, then print its log, for pytest to show with a failure."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        print(f"--- {log.name}\n{log.read_text()[-4000:]}")  # noqa: T201 - for pytest


@dataclass(frozen=True)
class Site:
    """A running Nginx and what is behind it."""

    directory: Path
    settings: Settings
    front: NginxSite

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
        """Return an HTTP client at this address of the loopback network, with the gate's cookie."""
        options["headers"] = GATE | options.get("headers", {})
        transport = httpx.HTTPTransport(local_address=address, verify=False)
        return httpx.Client(base_url=self.url, transport=transport, timeout=20, **options)


@contextlib.contextmanager
def serving(  # noqa: PLR0917 - the last two by name
    directory: Path,
    name: str,
    hub: str,
    proxy: str,
    amend: Callable[[str], str] = str,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[Site]:
    """Run Nginx in front of these two; `amend` may change the configuration around the include files."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    here = directory / name
    here.mkdir()
    # Any address of 127.0.0.0/8 is this machine: the "gateway" needs no bridge.
    model = Settings.model_validate(
        {
            **(settings or {}),
            "hub": {"listen": hub},
            "proxy": {"listen": proxy},
            "network": {"subnet": "127.0.0.0/20", "apiPort": free_port()},
        },
        by_name=False,
    )
    # Root's Nginx gives its workers to "nobody", who may neither open our sockets nor read a checkout in /root.
    user = "root" if os.geteuid() == 0 else None
    address = f"127.0.0.1:{free_port()}"
    front = NginxSite(directives=DIRECTIVES, directory=here, listen=(address,), user=user, **options)
    config = here / "nginx.conf"
    config.write_text(amend(render_nginx_config(model, front)))
    host, port = address.split(":")
    with running(["nginx", "-e", "stderr", "-c", str(config)], here / "nginx.log", env={"PATH": os.environ["PATH"]}):
        wait_until(lambda: socket.socket().connect_ex((host, int(port))) == 0, f"{name} listens")
        yield Site(here, model, front)


@dataclass(frozen=True)
class RealProxy:
    """configurable-http-proxy, as the class runs it."""

    command: Sequence[str]
    directory: Path
    api: httpx.Client

    @property
    def address(self) -> str:
        return f"unix:{self.directory / 'chp.sock'}"

    @contextlib.contextmanager
    def up(self) -> Iterator[RealProxy]:
        environment = {"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": "of-this-test"}
        with running(self.command, self.directory / "chp.log", env=environment):
            wait_until((self.directory / "chp.sock").exists, "the proxy listens")
            wait_until(self._answers, "the proxy's API answers")
            yield self

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.api.get("/api/routes").status_code == 200
        return False

    def route(self, path: str, target: str) -> None:
        assert self.api.post(f"/api/routes{path}", json={"target": target}).status_code == 201


def proxy_program() -> str:
    """Return configurable-http-proxy, from PATH or as `make test` installs it; skip the test where there is none."""
    installed = REPOSITORY / ".cache/node/bin/configurable-http-proxy"
    program = shutil.which("configurable-http-proxy") or (str(installed) if installed.exists() else None)
    if not program:
        pytest.skip("configurable-http-proxy is not on PATH: install it with npm")
    return program


def seen(answer: httpx.Response) -> dict[str, Any]:
    """Return the request that reached the upstream, with its headers as a dictionary of lists."""
    request: dict[str, Any] = answer.json()
    headers: dict[str, list[str]] = {}
    for name, value in request["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    return {**request, "headers": headers}


def raw(site: Site, request: str) -> str:
    """Send bytes that no client library would send, and return the answer."""
    host, port = site.front.listen[0].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.decode("latin-1")
