"""Containers of students, as the engine describes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def identifier(server: Callable[..., str], name: str) -> str:
    """Return the id of the container of the student called `name`."""
    found = server("docker", "ps", "--quiet", "--no-trunc", "--filter", f"label=org.classroom.user={name}").split()
    assert len(found) == 1, f"{name} has {len(found)} containers"
    return found[0]


def inspect(server: Callable[..., str], name: str) -> dict[str, Any]:
    """Return the engine's description of the container."""
    found: dict[str, Any] = json.loads(server("docker", "inspect", identifier(server, name)))[0]
    return found


def address(server: Callable[..., str], name: str) -> str:
    """Return the container's address on the class bridge."""
    networks = inspect(server, name)["NetworkSettings"]["Networks"]
    assert len(networks) == 1, networks
    found: str = next(iter(networks.values()))["IPAddress"]
    return found
