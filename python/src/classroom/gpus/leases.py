"""Leases are labels of containers: as long as the container is there, its devices are its student's.

There is no second record. What the engine says is what the next hub starts from, after any crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classroom.docker.container import LABEL, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEASE = LABEL + "lease"
"""CDI names, with commas between them."""
IDENTITY = LABEL + "lease-identity"
"""The same devices as `classroom.gpus.inventory.Device.identity`: names may change under a running student."""
POLICY = LABEL + "lease-policy"
"""The policy at the time. An exclusive device stays its owner's when the policy changes."""
MAX_STUDENTS = LABEL + "lease-most"
"""How many students, this one among them, may be on the device: what a shared GPU's student was promised."""

_LIVE = frozenset({"created", "running", "paused", "restarting"})
"""States of containers whose processes use a device, or are about to."""


@dataclass(frozen=True)
class Lease:
    """Devices that a student holds."""

    holder: str
    """The student."""
    names: tuple[str, ...]
    identities: tuple[str, ...] = ()
    exclusive: bool = False
    """Nobody else may be put on these devices while the lease lasts."""
    since: int = 0
    """When the container was made: seconds since 1970."""
    container: str = ""
    """The container's name."""
    container_id: str = ""
    """The engine's identifier of it: one that is made anew under the same name has another."""
    policy: str = ""
    limit: int = 0
    """How many students may be on these devices at most, this one among them; 0 means that none was promised."""
    network: str = ""
    """The class's: an engine may run several classes, and students of the same name in them."""


def labels(names: Iterable[str], identities: Iterable[str], policy: str, limit: int = 0) -> dict[str, str]:
    """The labels of a container that is to hold these devices."""
    bound = {MAX_STUDENTS: str(limit)} if limit else {}
    return {LEASE: ",".join(names), IDENTITY: ",".join(identities), POLICY: policy} | bound


def leases(containers: Iterable[Mapping[str, Any]]) -> tuple[Lease, ...]:
    """The leases among containers as `docker ps --all` lists them."""
    return tuple(_lease(each) for each in containers if each["State"] in _LIVE and each["Labels"].get(LEASE))


def _lease(container: Mapping[str, Any]) -> Lease:
    found = container["Labels"]
    return Lease(
        holder=found.get(LABEL + "user", ""),
        names=listed(found, LEASE),
        identities=listed(found, IDENTITY),
        exclusive=found.get(POLICY) == "exclusive",
        since=int(container.get("Created", 0)),
        container=next(iter(container.get("Names") or [""])).lstrip("/"),
        container_id=container.get("Id", ""),
        policy=found.get(POLICY, ""),
        network=found.get(LABEL + "network", ""),
        limit=int(bound) if (bound := found.get(MAX_STUDENTS, "")).isdecimal() else 0,
    )
