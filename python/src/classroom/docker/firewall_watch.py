"""Watcher of the firewall rules: loads the class's rules again when another program has removed or changed them.

The kernel tells each change of nftables to members of a netlink group (`nft monitor` prints it). So the watcher sleeps
until rules change, and learns which program has changed them. Rules of iptables are rules of nftables too, except with
iptables-legacy.
"""

from __future__ import annotations

import logging
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.docker.firewall import is_open, listed_rules, rules_up, table_name
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classroom.settings.models import Network

_LOG = logging.getLogger(__name__)

# Numbers of linux/netfilter/nfnetlink.h and nf_tables.h.
_NETLINK_NETFILTER = 12
_GROUP = 1 << (7 - 1)  # NFNLGRP_NFTABLES
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_REMOVALS = {2, 5, 8}  # of a table, a chain, a rule
_ELEMENTS = {12, 14}  # of sets: dnsmasq adds the addresses of domains
_GENERATION = 15  # the end of a transaction
_TABLE, _PROGRAM = 1, 3  # attributes: the table of an object; the program of a generation
_IPV4 = 2
_OPENED = "filter"  # iptables' table with INPUT
_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr, nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 20

_SHORTEST, _LONGEST = 0.2, 5.0  # seconds between two repairs while another program keeps removing the rules
_QUIET = 60.0  # seconds without a repair after which the next one is immediate


@dataclass(frozen=True)
class Change:
    """A message of the kernel about nftables."""

    kind: int
    family: int
    name: str
    """The table; or the program, at the end of a transaction."""


def watch_rules(read_network: Callable[[], Network]) -> None:
    """Load the rules if they are missing, and each time that they change. This does not return.

    Args:
        read_network: reads the current settings, which may have changed together with the rules.

    Raises:
        ClassroomError: nft is missing, or this process has no right to change rules.
    """
    changes = _subscribe()
    loaded = _restore(read_network(), None, "")
    pause, last = 0.0, -_QUIET
    while True:
        program = _wait_for_change(changes, table_name(read_network()))
        if time.monotonic() - last > _QUIET:
            pause = 0.0
        time.sleep(max(0.0, last + pause - time.monotonic()))
        before = loaded
        loaded = _restore(read_network(), loaded, program)
        if loaded is not before:
            pause, last = min(max(_SHORTEST, 2 * pause), _LONGEST), time.monotonic()


def parse_changes(data: bytes) -> Iterator[Change]:
    """Return the changes in a datagram of the kernel (netlink(7)); messages of other kinds are left out."""
    while len(data) >= _HEADER.size:
        length, kind, _, _, _, family, _, _ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        if kind >> 8 == _SUBSYSTEM:
            number = kind & 0xFF
            wanted = _PROGRAM if number == _GENERATION else _TABLE
            yield Change(number, family, _text(data[_HEADER.size : length], wanted))
        data = data[_align(length) :]


def concerns(change: Change, table: str) -> bool:
    """Return whether a change may have taken rules of the class away: in its tables, or from iptables' filter table."""
    if change.name == table:
        return change.kind not in _ELEMENTS
    return change.kind in _REMOVALS and change.family == _IPV4 and change.name == _OPENED


def _subscribe() -> socket.socket:
    """Return a socket that gets each change of nftables in this network namespace."""
    changes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        changes.bind((0, _GROUP))
    except PermissionError as error:
        raise ClassroomError("only root may watch the rules of the firewall; run this as root") from error
    changes.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return changes


def _wait_for_change(changes: socket.socket, table: str) -> str:
    """Wait for a change that concerns the class, and return the program; empty if the kernel does not name it."""
    is_ours, program = False, ""
    while True:
        # All messages of a transaction are there at once.
        ready, _, _ = select.select([changes], [], [], 0 if is_ours else None)
        if not ready:
            return program
        try:
            data = changes.recv(_BUFFER)
        except OSError:  # ENOBUFS: more messages than the buffer holds, so some are lost
            is_ours, program = True, ""
            continue
        for change in parse_changes(data):
            if change.kind == _GENERATION:
                program = program or (change.name if is_ours else "")
            else:
                is_ours = is_ours or concerns(change, table)


def _restore(network: Network, loaded: str | None, program: str) -> str:
    """Load the rules if they are not as they were loaded, and return their listing: the same object if they are."""
    current = listed_rules(network)
    if current is not None and loaded in {None, current} and is_open(network):
        return loaded if loaded is not None else current
    rules_up(network)
    reason = "were missing" if current is None else "had changed"
    _LOG.warning("The rules of the class %s%s. They are loaded again.", reason, f" (by {program})" if program else "")
    return listed_rules(network) or ""


def _text(attributes: bytes, wanted: int) -> str:
    """Return the text of an attribute; empty without one."""
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            break
        if kind == wanted:
            return attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[_align(length) :]
    return ""


def _align(length: int) -> int:
    return (length + 3) & ~3
