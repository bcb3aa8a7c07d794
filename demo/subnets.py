"""A network for the class's bridge that nothing on this machine uses."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Network
from pathlib import Path

from demo.errors import DemoError

# The first of these is a real class's.
CANDIDATES = tuple(IPv4Network("10.213.0.0/16").subnets(new_prefix=20))[1:]


def free_subnet(routes: str | None = None) -> IPv4Network:
    """The first candidate that no route of this machine overlaps.

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
