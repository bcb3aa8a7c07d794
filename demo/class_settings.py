"""The class's settings: the same file that a real class has, written at every start."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from demo.options import free_port
from demo.subnets import free_subnet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.engine import Engine
    from demo.options import Options, Places

TEACHER = "teacher"
IMAGE = "classroom-demo-student:latest"
_SOCKET_LIMIT = 100  # bytes of a path; unix(7) has room for 108


def process_settings(options: Options, places: Places, proxy: Sequence[str]) -> dict[str, Any]:
    """A class whose servers are processes."""
    return {
        **_common(options, places, proxy),
        "spawner": "process",
        "docker": {"prefix": demo_name(places)},  # a home keeps its name if there is an engine the next time
        "hub": {"listen": f"127.0.0.1:{free_port('127.0.0.1')}"},
    }


def docker_settings(options: Options, places: Places, proxy: Sequence[str], engine: Engine) -> dict[str, Any]:
    """A class whose servers are containers. Where its hub listens is known when the bridge is there."""
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
    """The hub listens where containers reach it: there is no Nginx between them.

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
    """What this demo's containers, homes and network are called: no other demo's, and no real class's."""
    file = places.folder / "name"
    if not file.exists():
        file.write_text(f"classroom-demo-{secrets.token_hex(2)}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def last_spawner(places: Places) -> str | None:
    """What ran the servers the last time; None if there was no last time."""
    try:
        found = json.loads(places.settings.read_text(encoding="utf-8"))["spawner"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def write(settings: dict[str, Any], places: Places) -> None:
    """Write settings.json."""
    places.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _common(options: Options, places: Places, proxy: Sequence[str]) -> dict[str, Any]:
    api = places.folder / "run" / "proxy-api.sock"
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
