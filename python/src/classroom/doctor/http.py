"""Small HTTP over TCP, TLS or a Unix socket: what a check needs and no more, with a bound on everything."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 4  # seconds
_LONGEST = 1 << 20  # bytes of an answer that are read


@dataclass(frozen=True)
class Place:
    """Where a server listens."""

    listen: str
    """``unix:/path`` or ``address:port``, as in the settings."""
    host: str = "localhost"
    """For the Host header, and TLS."""
    tls: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def connect(self) -> socket.socket:
        """A connection.

        Raises:
            OSError: nobody answers.
        """
        if self.listen.startswith("unix:"):
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(_TIMEOUT)
            made.connect(self.listen.removeprefix("unix:"))
            return made
        address, _, port = self.listen.rpartition(":")
        made = socket.create_connection((address.strip("[]"), int(port)), timeout=_TIMEOUT)
        if not self.tls:
            return made
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # this machine's own server; its certificate has a check of its own
        return context.wrap_socket(made, server_hostname=self.host)


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP."""

    status: int
    body: bytes
    server: str = ""
    """The Server header."""

    def json(self) -> Any:  # noqa: ANN401 - whatever it is
        """The body; None if it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ask(place: Place, method: str, path: str, headers: Mapping[str, str], data: object = None) -> Answer:
    """Send a request.

    Raises:
        OSError: nobody answers, or not with HTTP.
    """
    connection = http.client.HTTPConnection(place.host, timeout=_TIMEOUT)
    connection.sock = place.connect()
    body = None if data is None else json.dumps(data)
    try:
        connection.request(method, path, body, {"Host": place.host, **place.headers, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(_LONGEST), answer.getheader("Server", ""))
    except http.client.HTTPException as error:
        raise ConnectionError(f"an answer that is not HTTP: {error}") from error
    finally:
        connection.close()
