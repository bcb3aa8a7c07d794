"""Name server of a class without internet: it answers the allowed domains only, and opens their addresses.

It is dnsmasq. For each answer, dnsmasq adds the addresses to a set of the firewall before the container gets them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from classroom.docker.firewall import DOMAINS, nameservers_in, table_name
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from classroom.settings.models import Network

_RESOLV_CONF = Path("/etc/resolv.conf")


def resolver_config(network: Network, upstream: Sequence[IPv4Address]) -> str:
    """Return the configuration of dnsmasq (dnsmasq(8)).

    Args:
        network: the bridge, and the domains.
        upstream: name servers that dnsmasq asks.
    """
    lines = [
        "keep-in-foreground",
        "log-facility=-",
        "pid-file=",
        "user=nobody",
        # The bridge may not exist yet, and dnsmasq listens on nothing else.
        f"interface={network.bridge}",
        "except-interface=lo",
        "bind-dynamic",
        # No names of the machine. A name without a server of its own is refused.
        "no-hosts",
        "no-resolv",
        # The set forgets an address after a while. With each answer from a server, dnsmasq adds it again.
        "cache-size=0",
        # Containers have no IPv6. Private addresses may be answered: the firewall refuses them unless they are allowed.
        "filter-AAAA",
    ]
    for domain in network.domains:
        lines += [f"server=/{domain}/{address}" for address in upstream]
        lines.append(f"nftset=/{domain}/4#inet#{table_name(network)}#{DOMAINS}")
    return "\n".join(lines) + "\n"


def run_resolver(network: Network) -> NoReturn:
    """Replace this process by dnsmasq, which needs the rights to change the firewall and to listen on port 53.

    Raises:
        ClassroomError: there are no domains, no dnsmasq or no name server of the machine.
    """
    if not network.domains:
        raise ClassroomError('no domain is allowed: write network.domains = ["pypi.org"] and network.internet = false')
    program = shutil.which("dnsmasq")
    if program is None:
        raise ClassroomError("dnsmasq is not installed: install dnsmasq-base (Debian) or dnsmasq")
    upstream = network.resolvers or nameservers_in([_RESOLV_CONF])
    if not upstream:
        raise ClassroomError(f"{_RESOLV_CONF} names no name server by IPv4: write network.resolvers")
    reading, writing = os.pipe()
    # Far less than a pipe holds: dnsmasq reads it after this process has become dnsmasq.
    os.write(writing, resolver_config(network, upstream).encode())
    os.close(writing)
    os.dup2(reading, 0)
    os.execv(program, [program, "--conf-file=-"])  # noqa: S606 - no shell is wanted
