"""A real Nginx, with the include files as they are shipped, in front of small real upstreams or the real proxy."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from nginx.site import PAGES, RealProxy, Site, proxy_program, serving
from nginx.upstreams import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Return a directory with a path short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="nginx-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def hub() -> Iterator[Upstream]:
    with Upstream("hub") as server:
        yield server


@pytest.fixture(scope="session")
def proxy(directory: Path) -> Iterator[Upstream]:
    """Run a server in place of the proxy, for tests of Nginx alone."""
    with Upstream("proxy", path=directory / "proxy.sock") as server:
        yield server


@pytest.fixture(scope="session")
def site(directory: Path, hub: Upstream, proxy: Upstream) -> Iterator[Site]:
    """Run a site that browsers reach directly; it trusts no proxy in front of it."""
    with serving(directory, "site", hub.address, proxy.address) as found:
        yield found


@pytest.fixture(scope="session")
def tunnelled(directory: Path, hub: Upstream, proxy: Upstream) -> Iterator[Site]:
    """Run a site behind a tunnel that ends TLS at 127.0.0.1; it trusts no other address."""
    with serving(directory, "tunnelled", hub.address, proxy.address, trusted=("127.0.0.1",)) as found:
        yield found


@pytest.fixture
def real_proxy(directory: Path) -> Iterator[Callable[[str], RealProxy]]:
    """Return a function that creates the real proxy in front of a hub's address; start it with up()."""
    program = proxy_program()
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
