"""A complete nginx.conf around the include files that the NixOS module uses as well.

The rules themselves are in those files (`modules/nginx`); here is only what differs between machines: addresses, paths,
certificates, and which peers are trusted to name the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.settings.models import Settings


@dataclass(frozen=True, kw_only=True)
class Front:
    """Where one Nginx listens, what it trusts and where its files are."""

    directives: Path
    """The folder of http.conf, server.conf, containers.conf and pages/."""
    directory: Path
    """Its own folder, which exists: pid, access.log and temporary files; nothing is written outside it."""
    listen: tuple[str, ...] = ("127.0.0.1:8000",)
    """Addresses for browsers, as the `listen` directive has them, without parameters."""
    certificate: Path | None = None
    """The chain in PEM; with it and `key`, every address in `listen` speaks TLS."""
    key: Path | None = None
    """The private key in PEM."""
    trusted: tuple[str, ...] = ()
    """Addresses and networks of the tunnel or load balancer in front, whose word on client and scheme counts."""
    client_header: Literal["X-Forwarded-For", "CF-Connecting-IP"] = "X-Forwarded-For"
    """The header in which they name the client; CF-Connecting-IP only behind Cloudflare, which always sets it."""
    user: str | None = None
    """Whose rights the workers have when Nginx starts as root; they must be able to open the proxy's socket."""


def render(settings: Settings, front: Front) -> str:
    """Write an nginx.conf for the foreground: `nginx -e stderr -c FILE`.

    Containers get a server of their own on the gateway of the class bridge, unless there are none (`spawner: process`).

    Raises:
        ClassroomError: a value that the file cannot hold, or a class that is not at the root of its site.
    """
    if settings.site.external_url and not re.fullmatch(r"https?://[^/]+/", settings.site.external_url):
        raise ClassroomError(
            f"site.externalUrl: the class has to be at the root of its own host name, not at "
            f"{settings.site.external_url}; write only the host, such as https://class.example.org/"
        )
    if (front.certificate is None) != (front.key is None):
        raise ClassroomError("a certificate needs its key and a key its certificate: give both or neither")
    trusted = [_network(peer) for peer in front.trusted]
    servers = [_browsers(front, trusted)]
    if settings.spawner == "docker":
        servers.append(_containers(settings, front))
    temporary = "\n".join(
        f"    {kind}_temp_path {_path(front.directory / f'{kind}_temp')};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
# Made by classroom; the rules are in {front.directives}.
daemon off;
worker_processes auto;
{f"user {_word(front.user)};" if front.user else "# user: whoever starts it"}
pid {_path(front.directory / "nginx.pid")};
error_log stderr;

events {{
    worker_connections 4096;  # an open notebook holds about six, twice
}}

http {{
{temporary}
    upstream classroom_hub {{
        server {_word(settings.hub.listen)};
        keepalive 16;
    }}
    upstream classroom_proxy {{
        server {_word(settings.proxy.listen)};
        keepalive 32;
        keepalive_timeout 4s;
    }}
    geo $realip_remote_addr $classroom_trusted {{
{_lines(["default 0;", *(f"{peer} 1;" for peer in trusted)], 8)}
    }}
    map "" $classroom_pages {{
        default {_path(front.directives / "pages")};
    }}
    include {_path(front.directives / "http.conf")};
    access_log {_path(front.directory / "access.log")} classroom;

{"".join(servers)}}}
"""


def _browsers(front: Front, trusted: Iterable[str]) -> str:
    tls = front.certificate is not None and front.key is not None
    lines = [f"listen {_word(address)}{' ssl' if tls else ''};" for address in front.listen]
    if front.certificate and front.key:
        lines += [
            f"ssl_certificate {_path(front.certificate)};",
            f"ssl_certificate_key {_path(front.key)};",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:classroom_tls:5m;",
        ]
    lines += [f"set_real_ip_from {peer};" for peer in trusted]
    if front.trusted:
        lines += [f"real_ip_header {front.client_header};", "real_ip_recursive on;"]
    lines.append(f"include {_path(front.directives / 'server.conf')};")
    return f"    server {{\n{_lines(lines, 8)}\n    }}\n"


def _containers(settings: Settings, front: Front) -> str:
    lines = [
        f"listen {settings.network.gateway}:{settings.network.api_port};",
        f"include {_path(front.directives / 'containers.conf')};",
    ]
    return f"    server {{\n{_lines(lines, 8)}\n    }}\n"


def _lines(lines: Iterable[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _network(peer: str) -> str:
    try:
        return str(ip_network(peer, strict=False))
    except ValueError as error:
        raise ClassroomError(
            f"trusted: {error}; write an address or a network, such as 127.0.0.1 or 10.0.0.0/8"
        ) from error


def _path(path: Path) -> str:
    """A path as an argument of a directive; Nginx has no way to write some characters in one."""
    text = str(path.absolute())
    if re.search(r"[\s\"'\\$;{}#]", text):
        raise ClassroomError(f"{text}: Nginx cannot take a path with blanks, quotes or any of \\ $ ; {{ }} #; move it")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:/\[\]*-]+", text):
        raise ClassroomError(f"{text!r}: not an address, socket or name that Nginx can take")
    return text
