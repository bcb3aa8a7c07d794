"""The rules of the class bridge hold with every firewall of NixOS, and after each of its restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine.machine import machine
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

FIREWALLS = {
    "nftables": ("{ networking.nftables.enable = true; }", "nftables"),
    "forwarding filtered": (
        "{ networking.nftables.enable = true; networking.firewall.filterForward = true; }",
        "nftables",
    ),
    "iptables": ("{ networking.nftables.enable = false; }", "firewall"),
    "none": ("{ networking.firewall.enable = false; }", None),
    "without IPv6": ("{ networking.enableIPv6 = false; }", "firewall"),
}
_LOOK = """while :; do
    nft list table inet classroom_classroom0 >/dev/null 2>&1 || : > /run/missing
done"""


@pytest.mark.parametrize("kind", FIREWALLS)
def test_the_rules_are_in_force_after_the_boot_and_after_a_reload(root: Path, tmp_path: Path, kind: str) -> None:
    module, unit = FIREWALLS[kind]
    with machine(tmp_path, root, build_system("minimal", PLAIN, module)) as made:
        made.wait_for_unit("classroom-network")
        made.wait_for_unit("classroom-hub")
        wait_until(lambda: made.problems() == [], "the doctor finds nothing wrong", 60)
        for verb in ("reload", "restart") if unit else ():
            made.run("rm", "-f", "/run/missing")
            made.run("systemd-run", "--quiet", "--unit=look", "sh", "-c", _LOOK)
            made.run("systemctl", verb, f"{unit}.service")
            made.wait_for_unit("classroom-network")
            files = made.run("ls", "/run").split()  # a stop of the unit may end nft before the shell
            made.run("systemctl", "stop", "look")
            assert "missing" not in files, "the rules were away for a moment"
            assert made.problems() == []
