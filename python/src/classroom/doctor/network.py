"""Checks of the class bridge and its firewall rules against those that `classroom network up` would make now."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from classroom import process
from classroom.docker.firewall import firewall_rules, is_open, open_resolvers, table_name
from classroom.docker.network import matches_settings
from classroom.doctor import engine, units
from classroom.doctor.checks import ok, only_root, wrong

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Network, Settings

BRIDGE, FIREWALL, TRANSLATION = "class bridge", "firewall", "internet"
_UP = "classroom network up"
_TIMEOUT = 5  # seconds
_LEGACY_TABLES = Path("/proc/net/ip_tables_names")
# unshare(2) with CLONE_NEWNET; os.unshare is of Python 3.12, and not every image has the program of that name.
_ALONE = (
    "import ctypes, os, sys\n"
    "if ctypes.CDLL(None).unshare(0x40000000): sys.exit(1)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def check_bridge(settings: Settings) -> Iterable[Finding]:
    """Check that Docker's network exists and separates students."""
    network = settings.network
    existing = [
        item for item in engine.call_engine(settings, "networks", names=[network.name]) if item["Name"] == network.name
    ]
    if not existing:
        yield wrong(BRIDGE, f"The network {network.name} does not exist, so no server can start.", _UP)
    elif not matches_settings(existing[0], network):
        options = existing[0].get("Options") or {}
        icc = options.get("com.docker.network.bridge.enable_icc") != "false"
        yield wrong(
            BRIDGE,
            f"The network {network.name} differs from the settings"
            + (": students reach each other." if icc else ", with another subnet, gateway or bridge."),
            f"{_UP}  # when no server runs: classroom servers stop --all",
        )
    else:
        yield ok(BRIDGE, f"{network.bridge} on {network.subnet}; students do not reach each other.")


def check_firewall(settings: Settings) -> Iterable[Finding]:
    """Check that the current rules are those of the settings."""
    network = settings.network
    if not shutil.which("nft"):
        yield wrong(
            FIREWALL, "nft is not installed, so no rules protect the machine from students.", "install nftables"
        )
        return
    current = _listed(network)
    if current.returncode and "ermitted" in current.stderr:
        yield only_root(FIREWALL)
        return
    if current.returncode:
        yield wrong(FIREWALL, "The class's rules are missing, so students reach more than the settings allow.", _UP)
        return
    # The rules as the kernel lists them, loaded in a separate network namespace.
    expected = _listed(network, firewall_rules(network, open_resolvers(network)))
    if expected.returncode:
        yield only_root(FIREWALL)
    elif _without_elements(current.stdout) != _without_elements(expected.stdout):
        yield wrong(FIREWALL, "The rules differ from those for the settings and the machine's name servers.", _UP)
    elif not is_open(network):
        yield wrong(
            FIREWALL, f"The machine's own rules do not let students' servers reach the hub ({network.api_port}).", _UP
        )
    else:
        yield ok(FIREWALL, "The rules are in force.")


def check_translation(settings: Settings) -> Iterable[Finding]:
    """Check that Docker's rules give containers an address of the machine, where they may reach other networks."""
    network = settings.network
    if not (network.internet or network.allow or network.domains):
        return
    process = engine.find_process(settings.docker.host)
    if process is None or not engine.makes_rules(process):
        return  # the operator translates addresses
    if _is_translated(network):
        yield ok(TRANSLATION, "Docker translates addresses of students' servers.")
    elif os.geteuid():
        yield only_root(TRANSLATION)
    else:
        yield wrong(
            TRANSLATION,
            "Docker's rules are missing, so students' servers reach no other network. Another program removed them, "
            "and Docker makes them only when it starts. Its restart ends no container.",
            units.restart("docker", "restart dockerd"),
        )


def _is_translated(network: Network) -> bool:
    """Return whether rules as Docker makes them exist; True if another kind of iptables may have them."""
    chain = f"nat-postrouting-out__{network.bridge}"
    rule = ["-t", "nat", "-C", "POSTROUTING", "-s", str(network.subnet), "!", "-o", network.bridge, "-j", "MASQUERADE"]
    commands = [["nft", "list", "chain", "ip", "docker-bridges", chain]]
    programs = [program for program in ("iptables", "iptables-legacy") if shutil.which(program)]
    commands += [[program, "-w", "3", *rule] for program in programs]
    if any(_run(command).returncode == 0 for command in commands):
        return True
    # iptables of the kernel, where only iptables-legacy sees them.
    return "iptables-legacy" not in programs and "nat" in _LEGACY_TABLES.read_text(encoding="ascii").split()


def _listed(network: Network, rules: str | None = None) -> subprocess.CompletedProcess[str]:
    """Return the class's tables as nft prints them: the current ones, or those that `rules` would create."""
    listing = 'nft list table inet "$1" && nft list table bridge "$1"'
    if rules is None:
        return _run(["sh", "-c", listing, "sh", table_name(network)])
    shell = ["sh", "-c", f"nft -f - && {listing}", "sh", table_name(network)]
    return run_alone(shell, rules)


def run_alone(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a network namespace of its own, which ends with it. This needs root."""
    return _run([sys.executable, "-c", _ALONE, *command], stdin)


def _without_elements(listing: str) -> str:
    """Return nft's listing without the elements of its sets: the containers that have connections now."""
    return re.sub(r"\n\s*elements = \{.*?\}", "", listing, flags=re.DOTALL)


def _run(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return process.run(command, check=False, stdin=stdin, timeout=_TIMEOUT)
