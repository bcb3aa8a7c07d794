"""The class bridge, a Docker network, and its firewall rules (`classroom network up`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import docker.errors
from docker.types import IPAMConfig, IPAMPool

from classroom.docker.client import connect
from classroom.docker.container import KEEP
from classroom.docker.firewall import rules_down, rules_up
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from classroom.settings.models import Network

_OPTIONS = {
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
}
_TIMEOUT = 60  # seconds for a call of the engine


def network_up(network: Network, docker_host: str) -> None:
    """Create the firewall rules, then the bridge; those that are correct stay. This needs root.

    Raises:
        ClassroomError: a program or a right is missing, the engine is away, or another network is in the way.
    """
    rules_up(network)
    bridge_up(network, docker_host)


def network_down(network: Network, docker_host: str) -> None:
    """Remove the bridge, then the rules. This needs root.

    Raises:
        ClassroomError: containers are still in it, or as `network_up`.
    """
    bridge_down(network, docker_host)
    rules_down(network)


def bridge_up(network: Network, docker_host: str) -> None:
    """Create Docker's network with its bridge; replace an unused one of the same name with other settings.

    Raises:
        ClassroomError: the engine is away, or another network is in the way.
    """
    with connect(docker_host, _TIMEOUT) as client:
        try:
            _make_bridge(client, network)
        except docker.errors.APIError as error:
            raise ClassroomError(
                f"network {network.name} on {network.subnet} cannot be created ({error.explanation}); "
                "choose another network.subnet or network.bridge if it is taken"
            ) from error


def _make_bridge(client: docker.APIClient, network: Network) -> None:
    for item in client.networks(names=[network.name]):
        if item["Name"] != network.name:
            continue
        if matches_settings(item, network):
            return
        _remove(client, network.name, "has other settings than settings.json says")
    pool = IPAMPool(subnet=str(network.subnet), gateway=str(network.gateway))
    client.create_network(
        network.name,
        driver="bridge",
        options={**_OPTIONS, "com.docker.network.bridge.name": network.bridge},
        ipam=IPAMConfig(pool_configs=[pool]),
        enable_ipv6=False,
        labels={KEEP: "network"},
    )


def bridge_down(network: Network, docker_host: str) -> None:
    """Remove Docker's network with its bridge, if it exists.

    Raises:
        ClassroomError: the engine is away, or containers are still in the network.
    """
    with connect(docker_host, _TIMEOUT) as client:
        if any(item["Name"] == network.name for item in client.networks(names=[network.name])):
            _remove(client, network.name, "cannot be removed")


def matches_settings(existing: dict[str, Any], network: Network) -> bool:
    """Return whether a Docker network has the configuration of the settings."""
    expected = {**_OPTIONS, "com.docker.network.bridge.name": network.bridge}
    pools = [(pool.get("Subnet"), pool.get("Gateway")) for pool in existing["IPAM"]["Config"] or []]
    options = existing["Options"] or {}
    return (
        existing["Driver"] == "bridge"
        and not existing["EnableIPv6"]
        and pools == [(str(network.subnet), str(network.gateway))]
        and all(options.get(name) == value for name, value in expected.items())
    )


def _remove(client: docker.APIClient, name: str, reason: str) -> None:
    try:
        client.remove_network(name)
    except docker.errors.APIError as error:
        used = [container["Name"] for container in client.inspect_network(name)["Containers"].values()]
        raise ClassroomError(
            f"network {name} {reason} and is in use ({', '.join(used) or error.explanation}); "
            "stop the students' servers first"
        ) from error
