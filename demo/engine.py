"""The Docker engine, if there is one; checked before anything is installed, so that an error comes at once."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.options import Options

OLDEST_API = (1, 44)
"""As in classroom.docker.client: Docker 25, of which 26 is the first that is good for GPUs."""
_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Engine:
    """An engine that answers and is new enough."""

    host: str
    version: str


@dataclass(frozen=True)
class NoEngine:
    """Why there is none; empty where none was wanted."""

    reason: str


def choose(options: Options, environment: Mapping[str, str]) -> Engine | NoEngine:
    """Return the engine to use.

    Raises:
        DemoError: ENGINE=docker and there is none.
    """
    if options.engine == "process":
        return NoEngine("")
    found = inspect_engine(environment)
    if isinstance(found, NoEngine) and options.engine == "docker":
        raise DemoError(f"ENGINE=docker: {found.reason}; ENGINE=process shows the site without containers")
    return found


def inspect_engine(environment: Mapping[str, str]) -> Engine | NoEngine:
    """Return the engine at $DOCKER_HOST, or at Docker's default address."""
    host = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith(("unix://", "tcp://")):
        return NoEngine(f"the demo cannot use DOCKER_HOST={host}, only an engine of this machine")
    try:
        answer = _version(host)
        version = f"{answer.get('Version', '?')}"
        api = tuple(int(part) for part in answer["ApiVersion"].split("."))
    except PermissionError:
        return NoEngine(f"you may not use the Docker engine at {host}: run as root or join the group docker")
    except (OSError, http.client.HTTPException):
        return NoEngine(f"no Docker engine answers at {host}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return NoEngine(f"what answers at {host} is no Docker engine")
    if api < OLDEST_API:
        return NoEngine(f"the Docker engine is {version}, and 26 or newer is needed")
    return Engine(host, version)


def _version(host: str) -> dict[str, str]:
    connection = _Connection(host)
    try:
        connection.request("GET", "/version")
        answer = connection.getresponse()
        found: dict[str, str] = json.loads(answer.read())
        return found
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket or TCP."""

    def __init__(self, host: str) -> None:
        self._address = urlsplit(host)
        super().__init__(self._address.hostname or "engine", self._address.port or 2375, timeout=_TIMEOUT)

    def connect(self) -> None:
        if self._address.scheme == "tcp":
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address.path)
