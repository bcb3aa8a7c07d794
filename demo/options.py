"""Options of `make demo NAME=VALUE`, paths, and the checks that come before anything is installed."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
ANY = "0.0.0.0"  # noqa: S104 - listened on only when asked for
TEACHER = "teacher"
_ENGINES = ("auto", "docker", "process")
_OLDEST_API = (1, 44)  # as in classroom.docker.client: Docker 25, of which 26 is the first that is good for GPUs
LOOPBACK = "127.0.0.1"
_HOSTS = "write 127.0.0.1 (only this machine) or 0.0.0.0 (everyone in its network)"


class DemoError(Exception):
    """A message with reason and remedy, shown without a traceback."""


@dataclass(frozen=True)
class Options:
    """The variables of `make demo`; an empty one counts as absent."""

    port: int = 8000
    host: str = LOOPBACK
    engine: str = "auto"
    base_image: str = ""

    @property
    def address(self) -> str:
        """The URL of the site."""
        return f"http://{_machine_address() if self.host == ANY else self.host}:{self.port}/"

    @property
    def open_to_others(self) -> bool:
        """Whether other machines reach the site."""
        return not self.host.startswith("127.")


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers and is new enough."""

    host: str
    version: str


class Paths:
    """Paths below one directory; removing it removes everything."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.locks = root / "python" / "locks"
        self.directory = root / ".demo"
        self.environment = self.directory / "environment"
        self.state = self.directory / "state"
        self.logs = self.directory / "log"
        self.settings = self.directory / "settings.json"

    def last_spawner(self) -> str | None:
        """Return the spawner of the last start, or None before the first."""
        try:
            return str(json.loads(self.settings.read_text(encoding="utf-8"))["spawner"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def read_options(environment: Mapping[str, str]) -> Options:
    """Return the options; raise DemoError for a value that cannot be used."""
    port = environment.get("PORT") or "8000"
    engine = environment.get("ENGINE") or "auto"
    host = environment.get("HOST") or LOOPBACK
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise DemoError(f"PORT={port}: write a number from 1 to 65535, such as PORT=8000")
    if engine not in _ENGINES:
        raise DemoError(f"ENGINE={engine}: write one of {', '.join(_ENGINES)}")
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise DemoError(f"HOST={host}: no such address; {_HOSTS}") from error
    return Options(int(port), address, engine, environment.get("BASE_IMAGE", ""))


def check_listen(options: Options) -> None:
    """Raise DemoError if the site cannot listen at its address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except PermissionError as error:
            raise DemoError(f"Only root may listen on port {options.port}: choose one above 1023, PORT=8000") from error
        except OSError as error:
            if error.errno != 98:  # EADDRINUSE
                raise DemoError(f"HOST={options.host} is not an address of this machine: {_HOSTS}") from error
            other = 8000 if options.port != 8000 else 8080
            raise DemoError(
                f"Port {options.port} is in use by another program: choose another, make demo PORT={other}"
            ) from error


def choose_engine(options: Options, environment: Mapping[str, str]) -> tuple[Engine | None, str]:
    """Return the engine, or None and the reason, which is empty where none was asked for.

    Raises:
        DemoError: ENGINE=docker, and there is none.
    """
    if options.engine == "process":
        return None, ""
    try:
        engine = inspect_engine(environment)
        _require_client()
    except DemoError as error:
        if options.engine == "docker":
            raise DemoError(f"ENGINE=docker: {error}; ENGINE=process shows the site without containers") from error
        return None, str(error)
    return engine, ""


def _require_client() -> None:
    if shutil.which("docker") is None:
        raise DemoError("the students' image is built by Docker's client (on Debian: apt-get install docker-cli)")


def inspect_engine(environment: Mapping[str, str]) -> Engine:
    """Return the engine at $DOCKER_HOST, or at Docker's default address; raise DemoError if it cannot be used."""
    host = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith(("unix://", "tcp://")):
        raise DemoError(f"the demo cannot use DOCKER_HOST={host}, only an engine of this machine")
    try:
        answer = _request_version(host)
        version = f"{answer.get('Version', '?')}"
        api = tuple(int(part) for part in answer["ApiVersion"].split("."))
    except PermissionError as error:
        raise DemoError(f"you may not use the Docker engine at {host}: run as root or join the group docker") from error
    except (OSError, http.client.HTTPException) as error:
        raise DemoError(f"no Docker engine answers at {host}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DemoError(f"the program that answers at {host} is not a Docker engine") from error
    if api < _OLDEST_API:
        raise DemoError(f"the Docker engine is {version}, and 26 or newer is needed")
    return Engine(host, version)


def _request_version(host: str) -> Any:  # noqa: ANN401 - JSON of what may be no engine
    address = urlsplit(host)
    connection = http.client.HTTPConnection(address.hostname or "engine", address.port or 2375, timeout=10)
    with contextlib.closing(connection):
        if address.scheme == "unix":
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(connection.timeout)
            connection.sock.connect(address.path)
        connection.request("GET", "/version")
        return json.loads(connection.getresponse().read())


def write(text: str, stream: TextIO | None = None) -> None:
    """Write a text, by default on standard output, whose reader may have gone."""
    stream = stream or sys.stdout
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()


def _machine_address() -> str:
    """Return this machine's address on its route to other networks; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
