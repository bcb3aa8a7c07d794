"""Firewall rules of the class bridge: the connections of students' containers.

The rules are two nftables tables of our own. They only refuse packets, before the rules of Docker and of the machine
apply. So the order of loading does not matter, nor does it matter whether the other rules are of iptables or nftables,
or that Docker rewrites its own at every start. A table is replaced in one transaction, so the rules are never missing.
"""

from __future__ import annotations

import contextlib
import shutil
from ipaddress import AddressValueError, IPv4Address, IPv4Network, collapse_addresses
from pathlib import Path
from typing import TYPE_CHECKING

from classroom import process
from classroom.errors import ClassroomError
from classroom.files import render_template

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Sequence

    from classroom.settings.models import Network

# Cloud metadata: credentials of the machine. On these addresses of every cloud; allow does not open them.
_METADATA = ("169.254.0.0/16", "168.63.129.16", "192.0.0.0/24", "100.100.100.200")
# Not the internet (RFC 6890): the networks that the machine is in, and what no router forwards.
_PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
)
# Limits of one container, for TCP and for everything else (UDP) apart, so that a flood of one leaves the other. The
# table of connections is the whole machine's (net.netfilter.nf_conntrack_max, by default 262,144 entries), and each
# datagram to another port is an entry for 30 seconds. 100 containers with all their flows take 200,000 entries; pip,
# git, a browser or a data loader opens far fewer than 1,000 at once. Closed TCP connections stay in the table for two
# minutes and are not counted: at 100 new ones a second at most 12,000, which the kernel removes first when the table is
# nearly full.
_OPEN_FLOWS = 1000
_NEW_FLOWS = "100/second burst 1000 packets"
# A server sends the hub a few requests at a time. Nginx accepts 32 at once (modules/nginx/containers.conf), and twice
# as many connections leave room for those that are closing. Nginx has room for 250 such servers (worker_connections).
_API_CONNECTIONS = 64
_SETS = ("new_api", "new_tcp", "new_other", "open_api", "open_tcp", "open_other")
DOMAINS = "domains"
"""The set of addresses of the allowed domains, which the name server fills (`classroom.docker.resolver`)."""
_NAMES = "meta l4proto { tcp, udp } th dport 53 accept"
# A program gets an error at once, not after a timeout.
_REFUSE = "reject with icmpx admin-prohibited"


def rules_up(network: Network) -> None:
    """Load the firewall rules. They name the bridge and apply before it exists.

    Raises:
        ClassroomError: nft is missing, or this is not root.
    """
    _nft(firewall_rules(network, open_resolvers(network)))
    # An accept in one nftables table does not override a drop in another. If the machine's own firewall drops by
    # default (as ufw does), it must open the port for containers.
    if shutil.which("iptables"):
        _run(["iptables-restore", "-w", "--noflush"], stdin=opening(network))
        hook = ["INPUT", "-j", chain_name(network)]
        if _run(["iptables", "-w", "-C", *hook], check=False).returncode:
            _run(["iptables", "-w", "-I", *hook])


def rules_down(network: Network) -> None:
    """Remove the firewall rules, if they exist.

    Raises:
        ClassroomError: as `rules_up`.
    """
    _nft("".join(_removal(family, network) for family in ("inet", "bridge")))
    if shutil.which("iptables"):
        chain = chain_name(network)
        # Two programs that load the rules at the same time may have added the jump twice.
        while not _run(["iptables", "-w", "-D", "INPUT", "-j", chain], check=False).returncode:
            pass
        _run(["iptables", "-w", "-F", chain], check=False)
        _run(["iptables", "-w", "-X", chain], check=False)


def listed_rules(network: Network) -> str | None:
    """Return the current rules as nft prints them, without the elements of sets; None if a table is missing.

    Raises:
        ClassroomError: nft is missing, or this is not root.
    """
    listings = [
        _run(["nft", "--terse", "list", "table", family, table_name(network)], check=False)
        for family in ("inet", "bridge")
    ]
    if any("ermitted" in listing.stderr for listing in listings):
        raise ClassroomError("only root may list the rules of the firewall; run this as root")
    return None if any(listing.returncode for listing in listings) else "".join(listing.stdout for listing in listings)


def is_open(network: Network) -> bool:
    """Return whether the machine's own iptables lets containers reach what `openings` names."""
    if not shutil.which("iptables"):
        return True
    chain = chain_name(network)
    rules = (["INPUT", "-j", chain], *([chain, *rule] for rule in openings(network)))
    return all(_run(["iptables", "-w", "3", "-C", *rule], check=False).returncode == 0 for rule in rules)


def firewall_rules(network: Network, resolvers: Sequence[IPv4Address]) -> str:
    """Return the rules for nft (nft(8)); loading them twice is the same as loading them once.

    Student to student is dropped twice: as packets (where br_netfilter shows them), and as frames between the bridge's
    ports, which no sysctl disables. Frames are matched by their addresses, because not every kernel can match the
    bridge; a container without the right to send raw packets cannot use other addresses.

    Args:
        network: which bridge, and what containers on it may reach.
        resolvers: name servers, of which port 53 is open wherever they are.
    """
    bridge = network.bridge
    to_resolvers = _to(resolvers, _NAMES)
    to_hub = f"ip daddr {network.gateway} tcp dport {network.api_port}"
    forward = [
        "ct state established,related accept",
        "jump limits",
        *to_resolvers,
        *_to(_METADATA, _REFUSE),
        *_to(network.allow, "accept"),
        *_to(_PRIVATE, _REFUSE),
        *([f"ip daddr @{DOMAINS} accept"] if network.domains else []),
        "accept" if network.internet else _REFUSE,
    ]
    to_machine = [
        "ct state established,related accept",
        # Before the other limits: a program that has used up those does not end the server's contact with the hub.
        f"{to_hub} update @new_api {{ ip saddr limit rate over {_NEW_FLOWS} }} drop",
        f"{to_hub} add @open_api {{ ip saddr ct count over {_API_CONNECTIONS} }} reject with tcp reset",
        f"{to_hub} accept",
        "jump limits",
        *to_resolvers,
        *(_to([network.gateway], _NAMES) if network.domains else []),
        _REFUSE,
    ]
    return render_template(
        Path(__file__).with_name("firewall.nft.j2"),
        removals={family: _removal(family, network) for family in ("inet", "bridge")},
        table=table_name(network),
        bridge=bridge,
        subnet=network.subnet,
        sets=_SETS,
        limits=_limits(),
        domains=DOMAINS if network.domains else "",
        from_student=forward,
        to_machine=to_machine,
    )


def opening(network: Network) -> str:
    """Return the rules that open ports for containers in the machine's own iptables, for iptables-restore."""
    chain = chain_name(network)
    rules = "".join(f"-A {chain} {' '.join(rule)}\n" for rule in openings(network))
    return f"*filter\n:{chain} - [0:0]\n{rules}COMMIT\n"


def openings(network: Network) -> list[list[str]]:
    """Return the rules of `opening`, each as arguments of iptables: the hub's API, and names of allowed domains."""
    ports = [("tcp", network.api_port), *((kind, 53) for kind in ("tcp", "udp") if network.domains)]
    to_gateway = ["-i", network.bridge, "-d", str(network.gateway)]
    return [[*to_gateway, "-p", kind, "--dport", str(port), "-j", "ACCEPT"] for kind, port in ports]


def open_resolvers(network: Network) -> tuple[IPv4Address, ...]:
    """Return the name servers that containers reach themselves: none with allowed domains, or without internet."""
    if network.domains:
        return ()
    return network.resolvers or (machine_resolvers() if network.internet else ())


def machine_resolvers(
    files: Iterable[Path] = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")),
) -> tuple[IPv4Address, ...]:
    """Return the name servers that the engine gives to containers by default: the machine's, without loopback."""
    return tuple(address for address in nameservers_in(files) if not address.is_loopback)


def nameservers_in(files: Iterable[Path]) -> tuple[IPv4Address, ...]:
    """Return the name servers of files like resolv.conf(5), without those by IPv6."""
    addresses: list[IPv4Address] = []
    for file in files:
        if not file.is_file():
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with contextlib.suppress(AddressValueError):  # an IPv6 address: containers have no IPv6
                    addresses.append(IPv4Address(words[1]))
    return tuple(dict.fromkeys(addresses))


def _limits() -> list[str]:
    """Return the rules on new flows of one container.

    The rate comes first, because the packets of a flood would fill the list that `ct count` searches. They are dropped,
    not refused: a program that is only fast repeats them a second later and succeeds.
    """
    rules = []
    for kind, match in (("tcp", "meta l4proto tcp"), ("other", "meta l4proto != tcp")):
        new = f"ct state new {match}"
        rules.append(f"{new} update @new_{kind} {{ ip saddr limit rate over {_NEW_FLOWS} }} drop")
        rules.append(f"{new} add @open_{kind} {{ ip saddr ct count over {_OPEN_FLOWS} }} {_REFUSE}")
    return rules


def _to(addresses: Iterable[IPv4Address | IPv4Network | str], verdict: str) -> list[str]:
    """Return a rule on packets to these addresses, without networks inside others; empty without addresses."""
    nets = collapse_addresses(IPv4Network(str(address)) for address in addresses)
    text = ", ".join(str(net) if net.prefixlen < 32 else str(net.network_address) for net in nets)
    return [f"ip daddr {{ {text} }} {verdict}"] if text else []


def _removal(family: str, network: Network) -> str:
    """Return the removal of a table. Declaring it first creates it, so that deleting it never fails."""
    return f"table {family} {table_name(network)}\ndelete table {family} {table_name(network)}\n"


def table_name(network: Network) -> str:
    """Return the name of both nftables tables, inet and bridge."""
    return "classroom_" + "".join(character if character.isalnum() else "_" for character in network.bridge)


def chain_name(network: Network) -> str:
    """Return the name of the iptables chain that INPUT jumps to."""
    return f"CLASSROOM-{network.bridge}"  # at most 28 characters, of which 15 are the bridge's


def _nft(text: str) -> None:
    if not shutil.which("nft"):
        raise ClassroomError("nft is not installed, and without it students would reach each other: install nftables")
    _run(["nft", "-f", "-"], stdin=text)


def _run(command: list[str], *, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    done = process.run(command, stdin=stdin, check=False)
    if check and done.returncode:
        output = (done.stderr or done.stdout).strip() or f"it ended with status {done.returncode}"
        advice = "; run this as root" if "ermitted" in output or "ermission" in output else ""
        raise ClassroomError(f"{command[0]} failed: {output}{advice}")
    return done
