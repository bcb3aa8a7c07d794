"""The class and the rest of NixOS: DHCP, firewall, order of units, warnings."""

from __future__ import annotations

from typing import Any

import pytest

from nix.evaluation import evaluate

# Each is a case of its own; one evaluation serves all.
MODULE = """{ pkgs, ... }: {
  services.classroom = {
    network.bridge = "lab0";
    student.memory = "8G";
    settings.student.memory = "4G";
    settings.student.cpus = 2;
  };
  networking.nftables.enable = true;
  networking.firewall.filterForward = true;
  boot.kernel.sysctl."net.ipv4.ip_nonlocal_bind" = 0;
  virtualisation.docker.package = pkgs.docker // { version = "29.1.0"; };
  virtualisation.docker.daemon.settings.iptables = false;
  virtualisation.docker.daemon.settings.firewall-backend = "nftables";
}"""


@pytest.fixture(scope="module")
def around() -> dict[str, Any]:
    answer: dict[str, Any] = evaluate(f"t.around ({MODULE})")
    return answer


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    answer: dict[str, Any] = evaluate("t.around { }")
    return answer


def test_the_machine_asks_no_container_for_an_address(around: dict[str, Any], usual: dict[str, Any]) -> None:
    assert {"classroom0", "veth*"} <= set(usual["denied"])
    assert "lab0" in around["denied"]


def test_a_firewall_that_filters_what_it_forwards_leaves_the_bridge_to_the_class(
    around: dict[str, Any], usual: dict[str, Any]
) -> None:
    assert 'iifname "lab0" accept' in around["forwarded"]
    assert usual["forwarded"] == ""


def test_nginx_waits_for_the_bridge_only_where_it_must(around: dict[str, Any], usual: dict[str, Any]) -> None:
    assert "classroom-network.service" in around["nginx"]
    assert "classroom-network.service" not in usual["nginx"]


@pytest.mark.parametrize(
    "begin",
    [
        "services.classroom.settings.student.memory replaces the value of services.classroom.student.memory",
        "virtualisation.docker.daemon.settings.iptables is off",
        'virtualisation.docker.daemon.settings.firewall-backend is "nftables"',
    ],
)
def test_what_the_class_does_not_get_is_a_warning(around: dict[str, Any], usual: dict[str, Any], begin: str) -> None:
    assert any(warning.startswith(begin) for warning in around["warnings"])
    assert usual["warnings"] == []


def test_no_other_warning_is_given(around: dict[str, Any]) -> None:
    assert len(around["warnings"]) == 3
