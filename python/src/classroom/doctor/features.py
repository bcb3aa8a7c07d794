"""Checks of the machine's features, before anything is installed, too (`classroom check --machine`).

Each feature that containers or the firewall ask for is tried, or read where the kernel lists it.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.doctor import engine, gpus, kernel, machine, network
from classroom.doctor.checks import Check, ok, only_root, warning, wrong
from classroom.storage.helper import check_storage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

ABOUT, RULES, STORAGE = "kernel", "firewall", "homes"
_CONTROLLERS = {
    # The limit of a student that each sets, and the option of the kernel.
    "cpu": ("cpus", "CONFIG_CFS_BANDWIDTH"),
    "memory": ("memory", "CONFIG_MEMCG; with cgroup_disable=memory on its command line, remove that"),
    "pids": ("processes", "CONFIG_CGROUP_PIDS"),
}
_NAMESPACES = {"ipc": "CONFIG_IPC_NS", "net": "CONFIG_NET_NS", "pid": "CONFIG_PID_NS", "uts": "CONFIG_UTS_NS"}
_HOOK = "type filter hook forward priority 0"
_RULES = {
    # What the firewall asks of nftables: the option of the kernel, the family of a table, and a line of its chain.
    "tables of all protocols": ("CONFIG_NF_TABLES_INET", "inet", _HOOK),
    "tables of a bridge": ("CONFIG_NF_TABLES_BRIDGE", "bridge", _HOOK),
    "states of connections": ("CONFIG_NFT_CT", "inet", "ct state established accept"),
    "refusals": ("CONFIG_NFT_REJECT_INET", "inet", "reject with icmpx admin-prohibited"),
    "limits of rates": ("CONFIG_NFT_LIMIT", "inet", "update @s { ip saddr limit rate over 1/second } drop"),
    "limits of connections": ("CONFIG_NFT_CONNLIMIT", "inet", "add @s { ip saddr ct count over 1 } drop"),
}
_TABLE = """table {family} probe {{
    set s {{
        typeof ip saddr
        size 8
        flags dynamic
    }}
    chain c {{
        {line};
    }}
}}
"""


def machine_checks(settings: Settings) -> list[Check]:
    """Return the checks of a machine on which no class has to run yet."""
    return [
        Check(ABOUT, check_kernel_features),
        Check(kernel.ABOUT, kernel.check_sysctls),
        Check(RULES, check_rules, bound=20),
        Check(engine.ABOUT, functools.partial(_check_engine, settings)),
        Check(engine.CONFIGURATION, functools.partial(engine.check_engine_settings, settings)),
        Check(gpus.ABOUT, functools.partial(gpus.check_gpus, settings)),
        Check(STORAGE, functools.partial(_check_storage, settings)),
        Check(machine.DISK, functools.partial(machine.check_disks, settings)),
        Check(machine.CLOCK, machine.check_clock),
    ]


def check_kernel_features(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Iterable[Finding]:
    """Check that the kernel has what every container asks for.

    Args:
        proc: the kernel's processes and settings.
        cgroups: the control groups of version 2, or the directories of those of version 1.
    """
    findings = list(_missing_features(proc, cgroups))
    without = "" if (proc / "self/net/if_inet6").exists() else " It has no IPv6, which containers do not use."
    yield from findings or [ok(ABOUT, f"It has what containers ask for.{without}")]


def _missing_features(proc: Path, cgroups: Path) -> Iterable[Finding]:
    for name in sorted(set(_CONTROLLERS) - _controllers(proc, cgroups)):
        limit, option = _CONTROLLERS[name]
        says = f"It has no control group {name}: student.{limit} has no effect, and one student can take all."
        yield wrong(ABOUT, says, f"use a kernel with {option}")
    for name, option in _NAMESPACES.items():
        if not (proc / "self/ns" / name).exists():
            yield wrong(ABOUT, f"It has no namespaces ({name}): no server can start.", f"use a kernel with {option}")
    if not (proc / "sys/kernel/seccomp/actions_avail").exists():
        yield wrong(ABOUT, "It has no seccomp: no server can start.", "use a kernel with CONFIG_SECCOMP_FILTER")


def _controllers(proc: Path, cgroups: Path) -> set[str]:
    """Return the controllers that are on (Documentation/admin-guide/cgroup-v2.rst, cgroups(7))."""
    unified = cgroups / "cgroup.controllers"
    if unified.exists():
        return set(unified.read_text(encoding="ascii").split())
    rows = [line.split() for line in (proc / "cgroups").read_text(encoding="ascii").splitlines()[1:]]
    return {name for name, _, _, enabled in rows if enabled == "1"}


def check_rules() -> Iterable[Finding]:
    """Try each kind of rule that the firewall has, in a network namespace of its own."""
    if not shutil.which("nft"):
        yield wrong(RULES, "nft is not installed, so no rules can protect the machine.", "install nftables")
        return
    if network.run_alone(["true"]).returncode:
        yield only_root(RULES)
        return
    missing = [
        wrong(RULES, f"nftables of this kernel has no {name}: the class does not start.", f"use a kernel with {option}")
        for name, (option, family, line) in _RULES.items()
        if network.run_alone(["nft", "-f", "-"], _TABLE.format(family=family, line=line)).returncode
    ]
    yield from missing or [ok(RULES, "The kernel has all kinds of rules of the firewall.")]


def _check_engine(settings: Settings) -> Iterable[Finding]:
    findings = list(engine.check_engine(settings))
    if Path("/etc/NIXOS").exists() and any(finding.message.startswith("No Docker engine") for finding in findings):
        findings = [warning(engine.ABOUT, "No Docker engine answers yet; the NixOS module brings it.")]
    yield from findings


def _check_storage(settings: Settings) -> Iterable[Finding]:
    problems = check_storage(settings.storage)
    for problem in problems:
        says, _, remedy = problem.partition("; ")
        yield wrong(STORAGE, f"{says}.", remedy)
    if not problems and settings.storage.path:
        yield ok(STORAGE, f"{settings.storage.path} can have homes.")
