"""Command line and environment of configurable-http-proxy.

The NixOS module restarts the proxy, which cuts websockets, when this file changes (modules/proxy.nix).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.settings.models import Proxy


def proxy_command(proxy: Proxy, hub_url: str, *, by_host: bool = False) -> list[str]:
    """Return the proxy's command line. Its token is in the environment variable CONFIGPROXY_AUTH_TOKEN.

    Args:
        proxy: where it listens. With `--error-path=FOLDER` in its command, error pages come from there and not from the
            hub: they can be shown while the hub is away.
        hub_url: the target of requests without a route, until the hub has set its own.
        by_host: students' servers have host names of their own.
    """
    line = [*proxy.command, *_listen("", proxy.listen), *_listen("api-", proxy.api)]
    line += [f"--default-target={hub_url}", "--log-level=warn"]
    if not any(part.startswith("--error-path") for part in proxy.command):
        line.append(f"--error-target={hub_url.rstrip('/')}/hub/error")
    if by_host:
        line.append("--host-routing")
    if proxy.listen.startswith("unix:"):
        # Nginx has set these headers; over a socket the proxy would add "undefined" as the client's address.
        line.append("--no-x-forward")
    return line


def proxy_environment(base: Mapping[str, str], token: str) -> dict[str, str]:
    """Return the environment of the proxy's process."""
    return dict(base) | {"CONFIGPROXY_AUTH_TOKEN": token}


def _listen(prefix: str, listen: str) -> list[str]:
    if listen.startswith("unix:"):
        return [f"--{prefix}socket={listen.removeprefix('unix:')}"]
    host, _, port = listen.rpartition(":")
    return [f"--{prefix}ip={host}", f"--{prefix}port={port}"]
