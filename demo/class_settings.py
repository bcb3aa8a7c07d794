"""The settings of the demo's class: a file as a real class has it, written at every start."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classroom.settings.file import load_settings
from demo.options import LOOPBACK, ROOT, TEACHER, DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.settings.models import Settings
    from demo.options import Engine, Options, Paths

IMAGE = "classroom-demo-student:latest"
# The first of these is a real class's.
CANDIDATES = tuple(IPv4Network("10.213.0.0/16").subnets(new_prefix=20))[1:]
_SOCKET_LIMIT = 100  # bytes of a path; unix(7) has room for 108


def write_settings(options: Options, paths: Paths, proxy: Sequence[str], engine: Engine | None) -> Settings:
    """Write settings.json and return its settings; with an engine, students get containers.

    Raises:
        DemoError: no network is free for the containers.
    """
    name = _demo_name(paths)  # without an engine too: a home keeps its name for the next engine
    port = _free_port()
    api = paths.directory / "run" / "proxy-api.sock"
    is_long = len(str(api).encode()) > _SOCKET_LIMIT
    values: dict[str, Any] = {
        "site": {"title": "Classroom", **_site(options)},
        "paths": {"state": str(paths.state), "runtime": str(api.parent)},
        "admins": [TEACHER],
        "proxy": {
            "listen": f"{options.host}:{options.port}",
            "api": f"127.0.0.1:{_free_port()}" if is_long else f"unix:{api}",
            "command": [*proxy, f"--error-path={ROOT}/modules/nginx/pages"],
        },
        "spawner": "process",
        "docker": {"prefix": name},
        "hub": {"listen": f"127.0.0.1:{port}"},
    }
    if engine:
        subnet = free_subnet()
        # The hub listens on the bridge, where containers reach it without Nginx.
        values |= {
            "spawner": "docker",
            "docker": {"host": engine.host, "prefix": name},
            "hub": {"listen": f"{subnet[1]}:{port}"},
            "network": {"name": name, "bridge": name.removeprefix("class"), "subnet": str(subnet), "apiPort": port},
            "student": {"image": IMAGE},
        }
    paths.settings.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return load_settings(paths.settings)


def _site(options: Options) -> dict[str, str]:
    """Return the addresses: pages of students' servers do not share the host name of the hub, unless others use it."""
    if options.host != LOOPBACK:
        return {"externalUrl": ""}
    return {"externalUrl": options.address, "origins": "two", "serversUrl": f"http://localhost:{options.port}/"}


def free_subnet(routes: str | None = None) -> IPv4Network:
    """Return the first candidate that no route of this machine overlaps; raise DemoError if there is none.

    Args:
        routes: the text of /proc/net/route (proc(5)), which is read by default.
    """
    used = []
    for line in (routes or Path("/proc/net/route").read_text(encoding="ascii")).splitlines()[1:]:
        fields = line.split()
        # Hexadecimal, in the machine's byte order.
        address, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[index], 16))) for index in (1, 7))
        used.append(IPv4Network(f"{address}/{mask}", strict=False))
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used if network.prefixlen):
            return candidate
    raise DemoError("No network below 10.213.0.0/16 is free for the containers: ENGINE=process works without one")


def _demo_name(paths: Paths) -> str:
    """Return a name for this demo's containers, homes and network that no other class has."""
    file = paths.directory / "name"
    if not file.exists():
        file.write_text(f"classroom-demo-{secrets.token_hex(2)}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
