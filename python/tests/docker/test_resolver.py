from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from classroom.docker.firewall import firewall_rules, open_resolvers, opening
from classroom.docker.resolver import resolver_config, run_resolver
from classroom.errors import ClassroomError
from classroom.settings.models import Network

NETWORK = Network(internet=False, domains=("pypi.org", "pythonhosted.org"))
UPSTREAM = (IPv4Address("10.99.0.53"), IPv4Address("127.0.0.53"))


def test_the_name_server_asks_for_allowed_domains_only_and_opens_their_addresses() -> None:
    lines = resolver_config(NETWORK, UPSTREAM).splitlines()
    assert [line for line in lines if line.startswith("server=")] == [
        "server=/pypi.org/10.99.0.53",
        "server=/pypi.org/127.0.0.53",
        "server=/pythonhosted.org/10.99.0.53",
        "server=/pythonhosted.org/127.0.0.53",
    ]
    assert "nftset=/pypi.org/4#inet#classroom_classroom0#domains" in lines
    assert {"no-resolv", "no-hosts", "interface=classroom0", "except-interface=lo", "cache-size=0"} <= set(lines)


def test_containers_reach_no_name_server_but_that_of_the_class() -> None:
    network = NETWORK.model_copy(update={"resolvers": UPSTREAM[:1]})
    assert open_resolvers(network) == ()
    rules = firewall_rules(network, open_resolvers(network))
    assert "ip daddr { 10.213.0.1 } meta l4proto { tcp, udp } th dport 53 accept" in rules
    assert "10.99.0.53" not in rules
    assert opening(network).count("--dport 53") == 2


def test_addresses_of_domains_are_open_after_private_ones_are_refused() -> None:
    rules = firewall_rules(NETWORK, ()).partition("chain from_student {")[2].partition("}\n    chain")[0]
    lines = [line.strip() for line in rules.strip().splitlines()]
    assert lines[-2:] == ["ip daddr @domains accept", "reject with icmpx admin-prohibited"]
    assert "10.0.0.0/8" in lines[-3]
    assert "@domains" not in firewall_rules(Network(internet=False), ())


def test_without_domains_there_is_no_name_server() -> None:
    with pytest.raises(ClassroomError, match="no domain is allowed"):
        run_resolver(Network(internet=False))


def test_the_name_server_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClassroomError, match="install dnsmasq"):
        run_resolver(NETWORK)


@pytest.mark.parametrize(
    "domain", ["PyPI.org", "pypi.org.", "*.pypi.org", "10.0.0.1", "pypi", "a/b.org", "-a.org", "a.org#x"]
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="domains"):
        Network.model_validate({"internet": False, "domains": [domain]})


def test_domains_are_for_a_class_without_internet() -> None:
    with pytest.raises(ValueError, match="write internet = false"):
        Network(domains=("pypi.org",))


def test_nft_accepts_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(firewall_rules(NETWORK, ()))
    try:
        done = subprocess.run(["unshare", "-rn", "nft", "-f", file], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("nft is not installed")
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
