"""GPU leases: labels of containers. A student has the devices for as long as the container exists.

There is no second record: the next hub starts from what the engine says, after any crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from classroom.docker.container import LABEL, split_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEASE = LABEL + "lease"
"""CDI names, separated by commas."""
IDENTITY = LABEL + "lease-identity"
"""The same devices as `classroom.gpus.inventory.Device.identity`: names may change under a running student."""
POLICY = LABEL + "lease-policy"
"""The policy at the start. An exclusive device stays exclusive when the policy changes."""
LIMIT = LABEL + "lease-most"
"""The most students on the device, this one included, that a shared GPU's student was promised."""

_LIVE = frozenset({"created", "running", "paused", "restarting"})
"""States of containers in which processes use a device, or are about to."""


class LeaseKey(NamedTuple):
    """Key of a lease; it differs from that of an earlier container of the same name."""

    container: str
    since: int


@dataclass(frozen=True)
class Lease:
    """Devices that a student holds."""

    holder: str
    """The student."""
    names: tuple[str, ...]
    identities: tuple[str, ...] = ()
    exclusive: bool = False
    """Whether the devices admit nobody else while the lease lasts."""
    since: int = 0
    """When the container was created: seconds since 1970."""
    container: str = ""
    """The container's name."""
    container_id: str = ""
    """The engine's identifier of the container: a new container of the same name has another."""
    policy: str = ""
    limit: int = 0
    """The most students on these devices, this one included; 0 means that none was promised."""
    network: str = ""
    """The class's network: one engine may run several classes with students of the same name."""

    @property
    def key(self) -> LeaseKey:
        """Return the key of the lease."""
        return LeaseKey(self.container, self.since)


def lease_labels(names: Iterable[str], identities: Iterable[str], policy: str, limit: int = 0) -> dict[str, str]:
    """Return the labels of a container that holds these devices."""
    bound = {LIMIT: str(limit)} if limit else {}
    return {LEASE: ",".join(names), IDENTITY: ",".join(identities), POLICY: policy} | bound


def leases_of(containers: Iterable[Mapping[str, Any]]) -> tuple[Lease, ...]:
    """Return the leases of containers as `docker ps --all` lists them."""
    return tuple(
        _lease(container) for container in containers if container["State"] in _LIVE and container["Labels"].get(LEASE)
    )


def _lease(container: Mapping[str, Any]) -> Lease:
    labels = container["Labels"]
    return Lease(
        holder=labels.get(LABEL + "user", ""),
        names=split_label(labels, LEASE),
        identities=split_label(labels, IDENTITY),
        exclusive=labels.get(POLICY) == "exclusive",
        since=int(container.get("Created", 0)),
        container=next(iter(container.get("Names") or [""])).lstrip("/"),
        container_id=container.get("Id", ""),
        policy=labels.get(POLICY, ""),
        network=labels.get(LABEL + "network", ""),
        limit=int(limit) if (limit := labels.get(LIMIT, "")).isdecimal() else 0,
    )
