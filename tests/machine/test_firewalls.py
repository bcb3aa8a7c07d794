"""The rules of the class bridge hold with every firewall of NixOS, and after each of its restarts."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from machine.machine import machine
from machine.outside import MACHINE, Outside
from machine.student import Student
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
    "iptables without IPv6": ("{ networking.enableIPv6 = false; }", "firewall"),
    "nftables without IPv6": ("{ networking = { enableIPv6 = false; nftables.enable = true; }; }", "nftables"),
}
HARM = {
    "nft flush ruleset": "{ }",
    "systemctl restart nftables": "{ networking.nftables = { enable = true; flushRuleset = true; }; }",
    "iptables -F": "{ networking.nftables.enable = false; }",
}
"""Commands that take rules of the class away, and what the machine is where they do."""
_LOOK = """while :; do
    nft list table inet classroom_classroom0 >/dev/null 2>&1 || : > /run/missing
done"""

# Prints the seconds until the rules and the way to the hub are there again.
_TAKE = """are_there() {
    nft list chain inet classroom_classroom0 from_student >/dev/null 2>&1 &&
        nft list chain bridge classroom_classroom0 forward >/dev/null 2>&1 &&
        iptables -C INPUT -j CLASSROOM-classroom0 2>/dev/null
}
are_there
COMMAND
begin=$(date +%s.%N)
for _ in $(seq 500); do are_there && break; done
are_there
echo "$(date +%s.%N) $begin" | awk '{ print $1 - $2 }'
"""


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
        addresses = made.run("ip", "-6", "-oneline", "address", "show", "dev", "uplink")
        assert ("inet6" in addresses) is ("without IPv6" not in kind)


@pytest.mark.parametrize("command", HARM)
def test_rules_that_another_program_takes_come_back_by_themselves(
    root: Path, tmp_path: Path, figures: list[str], command: str
) -> None:
    with machine(tmp_path, root, build_system("minimal", PLAIN, HARM[command])) as made:
        for unit in ("classroom-network-watch", "classroom-images", "classroom-hub"):
            made.wait_for_unit(unit)
        wait_until(lambda: made.problems() == [], "the doctor finds nothing wrong", 60)
        took = float(made.shell(_TAKE.replace("COMMAND", command)))
        figures.append(f"{command}: the class's rules are back after {took:.2f} s")
        assert took < 1
        wait_until(lambda: {found["about"] for found in made.problems()} <= {"internet"}, "the rules are right", 10)
        image = made.run("docker", "image", "ls", "--quiet").split()[0]
        made.run("docker", "run", "--rm", "--network=classroom", image, "/bin/true")
        # Docker makes its own rules when it starts.
        for found in made.problems():
            assert found["mend"] == "systemctl restart docker"
            made.run("sh", "-c", found["mend"])
        wait_until(lambda: made.problems() == [], "the doctor's remedy has brought Docker's rules", 30)


@pytest.mark.parametrize("kind", ["iptables", "nftables"])
def test_a_websocket_from_another_host_lives_while_the_firewall_changes(
    root: Path, internet: Outside, tmp_path: Path, figures: list[str], kind: str
) -> None:
    module = f"{{ networking.nftables.enable = {str(kind == 'nftables').lower()}; }}"
    unit = "nftables" if kind == "nftables" else "firewall"
    with machine(tmp_path / "machine", root, build_system("minimal", PLAIN, module, image=True), internet) as made:
        for name in ("classroom-network-watch", "classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(name, 300)
        directory = tmp_path / "student"
        directory.mkdir()
        student = Student(internet.enter(), directory, made.first_password(), {"CLASSROOM_URL": f"http://{MACHINE}"})
        try:
            for command in (f"systemctl reload {unit}", f"systemctl restart {unit}", "nft flush ruleset"):
                made.shell(command)
                made.wait_for_unit("classroom-network")
                wait_until(lambda: "from_student" in made.run("nft", "list", "ruleset"), "the rules are there", 5)
            report = student.end()
        finally:
            with contextlib.suppress(ProcessLookupError):
                student.process.kill()
            student.process.wait()
    assert report["complete"], "a message of the kernel is missing"
    figures.append(
        f"longest pause of a kernel's output while {kind} reloads, restarts and is flushed: {report['gap']:.1f} s"
    )
