"""The class's settings: the same file that a real class has, written at every start."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.errors import DemoError
from demo.options import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.engine import Engine
    from demo.options import Options, Places

TEACHER = "teacher"
IMAGE = "classroom-demo-student:latest"
# The first of these is a real class's.
CANDIDATES = tuple(IPv4Network("10.213.0.0/16").subnets(new_prefix=20))[1:]
_SOCKET_LIMIT = 100  # bytes of a path; unix(7) has room for 108


def process_settings(options: Options, places: Places, proxy: Sequence[str]) -> dict[str, Any]:
    """Return settings of a class whose servers are processes."""
    return {
        **_common(options, places, proxy),
        "spawner": "process",
        "docker": {"prefix": demo_name(places)},  # a home keeps its name if there is an engine the next time
        "hub": {"listen": f"127.0.0.1:{free_port('127.0.0.1')}"},
    }


def docker_settings(options: Options, places: Places, proxy: Sequence[str], engine: Engine) -> dict[str, Any]:
    """Return settings of a class whose servers are containers; the bridge decides later where the hub listens."""
    name = demo_name(places)
    subnet = free_subnet()
    return {
        **_common(options, places, proxy),
        "spawner": "docker",
        "docker": {"host": engine.host, "prefix": name},
        "network": {"name": name, "bridge": name.removeprefix("class"), "subnet": str(subnet)},
        "student": {"image": IMAGE},
    }


def with_hub_on_bridge(settings: dict[str, Any], gateway: str) -> dict[str, Any]:
    """Return settings with the hub on the bridge, where containers reach it without Nginx.

    Raises:
        DemoError: the bridge is not on this machine.
    """
    port = free_port(gateway)
    return {
        **settings,
        "hub": {"listen": f"{gateway}:{port}"},
        "network": {**settings["network"], "apiPort": port},
    }


def demo_name(places: Places) -> str:
    """Return a name for this demo's containers, homes and network that no other class has."""
    file = places.directory / "name"
    if not file.exists():
        file.write_text(f"classroom-demo-{secrets.token_hex(2)}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def last_spawner(places: Places) -> str | None:
    """Return the spawner of the last start, or None."""
    try:
        found = json.loads(places.settings.read_text(encoding="utf-8"))["spawner"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def write(settings: dict[str, Any], places: Places) -> None:
    """Write settings.json."""
    places.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def free_subnet(routes: str | None = None) -> IPv4Network:
    """Return the first candidate that no route of this machine overlaps.

    Args:
        routes: /proc/net/route (proc(5)), read now unless told.

    Raises:
        DemoError: there is none.
    """
    used = [network for network in _networks(routes or Path("/proc/net/route").read_text()) if network.prefixlen]
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise DemoError("No network below 10.213.0.0/16 is free for the containers: ENGINE=process works without one")


def _networks(routes: str) -> list[IPv4Network]:
    """Destinations; addresses and masks are hexadecimal, in the machine's byte order."""
    found = []
    for line in routes.splitlines()[1:]:
        fields = line.split()
        address, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[index], 16))) for index in (1, 7))
        found.append(IPv4Network(f"{address}/{mask}", strict=False))
    return found


def _common(options: Options, places: Places, proxy: Sequence[str]) -> dict[str, Any]:
    api = places.directory / "run" / "proxy-api.sock"
    long = len(str(api).encode()) > _SOCKET_LIMIT
    return {
        "site": {"title": "Classroom", "externalUrl": ""},
        "paths": {"state": str(places.state), "runtime": str(api.parent)},
        "admins": [TEACHER],
        "proxy": {
            "listen": f"{options.host}:{options.port}",
            "api": f"127.0.0.1:{free_port('127.0.0.1')}" if long else f"unix:{api}",
            "command": list(proxy),
        },
    }
