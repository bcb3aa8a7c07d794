"""Options of `make demo NAME=VALUE`, and the paths of what it makes."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANY = "0.0.0.0"  # noqa: S104 - listened on only when asked for
ENGINES = ("auto", "docker", "process")


@dataclass(frozen=True)
class Options:
    """The variables of `make demo`; an empty one is one that was not given."""

    port: int = 8000
    host: str = "127.0.0.1"
    engine: Literal["auto", "docker", "process"] = "auto"
    base_image: str = ""

    @property
    def address(self) -> str:
        """The URL of the site."""
        host = machine_address() if self.host == ANY else self.host
        return f"http://{host}:{self.port}/"

    @property
    def open_to_others(self) -> bool:
        """Whether other machines reach the site."""
        return not self.host.startswith("127.")


@dataclass(frozen=True)
class Places:
    """Paths below one directory; removing it removes all."""

    root: Path

    @property
    def directory(self) -> Path:
        """All that the demo makes."""
        return self.root / ".demo"

    @property
    def environment(self) -> Path:
        """The Python environment of the hub and the students' servers."""
        return self.directory / "environment"

    @property
    def state(self) -> Path:
        """Accounts, secrets and (without an engine) homes."""
        return self.directory / "state"

    @property
    def logs(self) -> Path:
        """One file for each part."""
        return self.directory / "log"

    @property
    def settings(self) -> Path:
        """The class's settings, written at every start."""
        return self.directory / "settings.json"


def read_options(environment: Mapping[str, str]) -> Options:
    """Read the variables.

    Raises:
        DemoError: one of them cannot be used.
    """
    port = environment.get("PORT") or "8000"
    engine = environment.get("ENGINE") or "auto"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise DemoError(f"PORT={port}: write a number from 1 to 65535, such as PORT=8000")
    if engine not in ENGINES:
        raise DemoError(f"ENGINE={engine}: write one of {', '.join(ENGINES)}")
    return Options(
        port=int(port),
        host=_ipv4(environment.get("HOST") or "127.0.0.1"),
        engine=cast("Literal['auto', 'docker', 'process']", engine),
        base_image=environment.get("BASE_IMAGE", ""),
    )


def machine_address() -> str:
    """Return this machine's address on its route to other networks; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation addresses (RFC 5737): nobody is there
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def local_address(listen: str) -> str:
    """Return the URL by which this machine reaches a listener."""
    host, _, port = listen.rpartition(":")
    return f"http://{'127.0.0.1' if host == ANY else host}:{port}/"


def check_listen(options: Options) -> None:
    """Check that the site's address is free.

    Raises:
        DemoError: with the reason.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except PermissionError as error:
            raise DemoError(f"Only root may listen on port {options.port}: choose one above 1023, PORT=8000") from error
        except OSError as error:
            if error.errno == 98:  # EADDRINUSE
                other = 8000 if options.port != 8000 else 8080
                raise DemoError(
                    f"Port {options.port} is in use by another program: choose another, make demo PORT={other}"
                ) from error
            raise DemoError(
                f"HOST={options.host} is not an address of this machine: write 127.0.0.1 (only this machine) or "
                "0.0.0.0 (everyone in its network)"
            ) from error


def free_port(host: str) -> int:
    """Return a port on which nothing listens.

    Raises:
        DemoError: the address is not this machine's.
    """
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise DemoError(f"{host} is not an address of this machine ({error.strerror})") from error
        return int(probe.getsockname()[1])


def _ipv4(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise DemoError(
            f"HOST={host}: no such address; write 127.0.0.1 (only this machine) or 0.0.0.0 (everyone in its network)"
        ) from error
