from __future__ import annotations

import json
import os
import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import TYPE_CHECKING

import pytest

from classroom.docker.firewall import firewall_rules, machine_resolvers, opening
from classroom.settings.models import Network

if TYPE_CHECKING:
    from pathlib import Path

RESOLVER = IPv4Address("10.99.0.53")


def _reaches(network: Network, address: str, port: int, resolvers: tuple[IPv4Address, ...] = ()) -> bool:
    """Return what the chain from_student decides about a new TCP connection; rules are evaluated as in nft."""
    text = firewall_rules(network, resolvers).partition("chain from_student {")[2].partition("}\n    chain")[0]
    for line in (part.strip() for part in text.splitlines()):
        if line.startswith(("ct state", "jump limits")) or not line:
            continue
        nets, _, rest = (
            line.removeprefix("ip daddr { ").partition(" } ") if line.startswith("ip daddr") else ("", "", line)
        )
        if nets and not any(ip_address(address) in IPv4Network(net) for net in nets.split(", ")):
            continue
        if "dport 53" in rest and port != 53:
            continue
        return rest.endswith("accept")
    raise AssertionError("no rule decides")


@pytest.mark.attack(10, 11)
@pytest.mark.parametrize(
    ("address", "port", "reached"),
    [
        pytest.param("203.0.113.10", 443, True, id="internet"),
        pytest.param("8.8.8.8", 53, True, id="public name server"),
        pytest.param("169.254.169.254", 80, False, id="metadata"),
        pytest.param("168.63.129.16", 80, False, id="metadata of Azure"),
        pytest.param("100.100.100.200", 80, False, id="metadata of Alibaba"),
        pytest.param("10.0.0.1", 22, False, id="private 10"),
        pytest.param("172.17.0.1", 80, False, id="another Docker network"),
        pytest.param("192.168.1.1", 443, False, id="private 192.168"),
        pytest.param("100.64.0.1", 80, False, id="carrier-grade NAT"),
        pytest.param("224.0.0.251", 5353, False, id="multicast"),
        pytest.param("255.255.255.255", 67, False, id="broadcast"),
        pytest.param("10.99.0.53", 53, True, id="configured name server"),
        pytest.param("10.99.0.53", 80, False, id="other ports of the name server"),
    ],
)
def test_a_container_reaches_the_internet_and_its_name_servers_only(address: str, port: int, *, reached: bool) -> None:
    assert _reaches(Network(), address, port, (RESOLVER,)) is reached


def test_an_allowed_private_network_is_reached_and_its_neighbour_is_not() -> None:
    network = Network(allow=(IPv4Network("10.1.2.0/24"),))
    assert _reaches(network, "10.1.2.3", 80)
    assert not _reaches(network, "10.1.3.3", 80)


def test_allow_does_not_open_metadata() -> None:
    network = Network(allow=(IPv4Network("0.0.0.0/0"), IPv4Network("169.254.169.254/32")))
    assert _reaches(network, "10.0.0.1", 80)
    assert not _reaches(network, "169.254.169.254", 80)


def test_a_metadata_address_that_is_a_configured_name_server_answers_names_only() -> None:
    metadata = IPv4Address("169.254.169.254")
    assert _reaches(Network(), str(metadata), 53, (metadata,))
    assert not _reaches(Network(), str(metadata), 80, (metadata,))


def test_without_internet_only_allowed_addresses_are_reached() -> None:
    network = Network(internet=False, allow=(IPv4Network("10.1.2.0/24"),))
    assert not _reaches(network, "203.0.113.10", 443)
    assert not _reaches(network, "8.8.8.8", 53)
    assert _reaches(network, "10.1.2.3", 80)


def test_of_the_machine_only_the_api_port_of_the_gateway_is_open() -> None:
    text = firewall_rules(Network(api_port=9081), ()).partition("chain to_machine {")[2].partition("}\n")[0]
    decisions = [line.strip() for line in text.splitlines() if line.strip()]
    api = "ip daddr 10.213.0.1 tcp dport 9081"
    assert decisions == [
        "ct state established,related accept",
        f"{api} update @new_api {{ ip saddr limit rate over 100/second burst 1000 packets }} drop",
        f"{api} add @open_api {{ ip saddr ct count over 64 }} reject with tcp reset",
        f"{api} accept",
        "jump limits",
        "reject with icmpx admin-prohibited",
    ]
    assert "-d 10.213.0.1 -p tcp --dport 9081 -j ACCEPT" in opening(Network(api_port=9081))


def test_two_classes_on_one_machine_have_separate_rules() -> None:
    other = Network(name="physics", bridge="class-physics.1", subnet=IPv4Network("10.214.0.0/20"))
    assert "classroom_class_physics_1" in firewall_rules(other, ())
    assert len(opening(other).splitlines()[1].split()[0]) - 1 <= 28  # XT_EXTENSION_MAXNAMELEN


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft (apt-get install nftables)"
)
@pytest.mark.parametrize("internet", [True, False])
def test_nft_accepts_the_rules_twice_in_a_namespace(*, internet: bool) -> None:
    network = Network(internet=internet, allow=(IPv4Network("10.1.0.0/16"), IPv4Network("10.1.2.0/24")))
    text = firewall_rules(network, (RESOLVER,))
    script = "nft -f - <<'E'\n" + text + "E\nnft -f - <<'E'\n" + text + "E\nnft -j list tables\n"
    done = subprocess.run(["unshare", "--net", "sh", "-ec", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables = [item["table"]["name"] for item in json.loads(done.stdout)["nftables"] if "table" in item]
    assert tables == ["classroom_classroom0", "classroom_classroom0"]


@pytest.mark.parametrize(
    ("stub", "uplink", "found"),
    [
        pytest.param("nameserver 10.0.0.2\nnameserver 1.1.1.1\n", "", ("10.0.0.2", "1.1.1.1"), id="plain"),
        pytest.param("nameserver 127.0.0.53\n", "nameserver 10.0.0.2\n", ("10.0.0.2",), id="systemd-resolved"),
        pytest.param("# nothing\nnameserver fe80::1%eth0\nsearch local\n", "", (), id="no IPv4"),
        pytest.param("nameserver\nnameserver what\n", "", (), id="nonsense"),
    ],
)
def test_the_machines_name_servers_are_found(tmp_path: Path, stub: str, uplink: str, found: tuple[str, ...]) -> None:
    files = [tmp_path / "resolv.conf", tmp_path / "uplink.conf"]
    for file, text in zip(files, (stub, uplink), strict=True):
        file.write_text(text)
    assert machine_resolvers([*files, tmp_path / "absent"]) == tuple(IPv4Address(address) for address in found)
