"""nginx.conf: a complete file around the include files that the NixOS module uses as well.

The rules themselves are in those files (`modules/nginx`); here is only what differs between machines: addresses, paths,
certificates, and which peers are trusted to name the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from classroom.errors import ClassroomError
from classroom.files import render_template

if TYPE_CHECKING:
    from classroom.settings.models import Settings


@dataclass(frozen=True, kw_only=True)
class NginxSite:
    """Addresses, trusted peers and files of one Nginx."""

    directives: Path
    """The directory of http.conf, server.conf, containers.conf and pages/."""
    directory: Path
    """Its own directory, which exists: pid, access.log and temporary files; nothing is written outside it."""
    listen: tuple[str, ...] = ("127.0.0.1:8000",)
    """Addresses for browsers, as the `listen` directive has them, without parameters."""
    certificate: Path | None = None
    """The chain in PEM; with it and `key`, every address in `listen` speaks TLS."""
    key: Path | None = None
    """The private key in PEM."""
    trusted: tuple[str, ...] = ()
    """Addresses and networks of the tunnel or load balancer in front; its headers on client and scheme are trusted."""
    client_header: Literal["X-Forwarded-For", "CF-Connecting-IP"] = "X-Forwarded-For"
    """The header in which they name the client; CF-Connecting-IP only behind Cloudflare, which always sets it."""
    user: str | None = None
    """The user of the workers when Nginx starts as root; this user must be able to open the proxy's socket."""


def render_nginx_config(settings: Settings, site: NginxSite) -> str:
    """Return an nginx.conf for the foreground: `nginx -e stderr -c FILE`.

    Containers get a server of their own on the gateway of the class bridge, unless there are none (`spawner: process`).

    Raises:
        ClassroomError: a value that the file cannot hold.
    """
    if (site.certificate is None) != (site.key is None):
        raise ClassroomError("a certificate needs its key and a key its certificate: give both or neither")
    return render_template(
        Path(__file__).with_name("nginx.conf.j2"),
        filters={"path": _path, "word": _word},
        settings=settings,
        site=site,
        trusted=[_network(peer) for peer in site.trusted],
    )


def _network(peer: str) -> str:
    try:
        return str(ip_network(peer, strict=False))
    except ValueError as error:
        raise ClassroomError(
            f"trusted: {error}; write an address or a network, such as 127.0.0.1 or 10.0.0.0/8"
        ) from error


def _path(path: Path) -> str:
    """Return a path as an argument of a directive; Nginx has no way to write some characters in one."""
    text = str(path.absolute())
    if re.search(r"[\s\"'\\$;{}#]", text):
        raise ClassroomError(f"{text}: Nginx cannot take a path with blanks, quotes or any of \\ $ ; {{ }} #; move it")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:/\[\]*-]+", text):
        raise ClassroomError(f"{text!r}: not an address, socket or name that Nginx can take")
    return text
