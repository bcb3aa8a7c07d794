"""What each unit can read, write and reach: tried by a program in the place of the unit's, with all of its sandbox."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from machine.machine import machine
from machine.probe import SHARED_MEMORY
from machine.rights import ALLOWED, NETWORK
from machine.sandbox import ACTIONS, allowed, prepare
from machine.systems import build_system
from nix.evaluation import REPOSITORY
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine.machine import Machine

_WRITES = {f"write {place}/tried" for place in ("", "/etc", "/usr", "/opt", "/srv", "/var", "/var/lib", "/var/log")}
# Directives that hold a promise without another one, and what a unit can do without each.
GONE = {
    "CapabilityBoundingSet": {"have capabilities"},
    "InaccessiblePaths": {"reach /run/dbus/system_bus_socket"},
    "LockPersonality": {"change its personality"},
    "PrivateTmp": {"read /tmp/tried/note"},
    "PrivateUsers": {"see users"},
    "ProtectControlGroups": {"make control groups"},
    "ProtectHome": {"read /home/ada/tried/note", "read /root/tried/note", "read /run/user/tried/note"},
    "ProtectKernelModules": {"read /usr/lib/modules/tried/note"},
    "ProtectProc": {"see 1"},
    "ProtectSystem": _WRITES,
    "ReadOnlyPaths": {"write /run/tried"},
    "RestrictAddressFamilies": {"talk to the kernel by netlink"},
    "RestrictNamespaces": {"make a namespace"},
    "RestrictSUIDSGID": {"set a program's bit"},
    "SystemCallArchitectures": {"run as 32 bits"},
    "SystemCallFilter": {"be traced", "set owners"},
    "UMask": {"let others read its files"},
}
# Root is another user already.
NEVER_BY_ROOT = {"become another user by a program's bit"}
OTHERS_FILES = ("/run/secrets", "/etc/shadow", "/var/lib/docker")


@pytest.fixture(scope="module")
def host(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a host that has all units."""
    with machine(tmp_path_factory.mktemp("units"), root, build_system("everything", "./sandboxed.nix")) as made:
        for unit in ("classroom-hub", "nginx", "classroom-homes.socket"):
            made.wait_for_unit(unit)
        wait_until(lambda: "jupyterhub.sqlite" in made.run("ls", "/var/lib/classroom"), "the hub has its database")
        prepare(made)
        yield made


@pytest.mark.parametrize("unit", ALLOWED)
def test_a_unit_can_do_what_it_is_for_and_nothing_else(host: Machine, unit: str) -> None:
    assert allowed(host, unit) == ALLOWED[unit]


@pytest.mark.parametrize("directive", GONE)
def test_a_unit_without_a_line_of_its_sandbox_is_noticed(host: Machine, directive: str) -> None:
    can = allowed(host, "classroom-hub", without=[directive])
    assert can - ALLOWED["classroom-hub"] >= GONE[directive]


def test_every_action_that_is_refused_would_succeed_without_the_sandbox(host: Machine) -> None:
    sandbox = re.findall(
        r"^  (\w+) =", (REPOSITORY / "modules/hardening.nix").read_text(encoding="utf-8"), re.MULTILINE
    )
    without = [*sandbox, "User", "Group", "PrivateMounts"]
    as_root = allowed(host, "classroom-hub", without=without)
    as_nobody = allowed(host, "classroom-hub", without=without, more=["User=nobody"])
    assert ACTIONS - as_root == NEVER_BY_ROOT
    assert as_nobody >= NEVER_BY_ROOT
    assert not {action for action in as_nobody if any(path in action for path in OTHERS_FILES)}


@pytest.mark.parametrize("unit", ["classroom-engine", "classroom-gpus", "classroom-homes"])
def test_a_unit_without_a_network_would_have_one_without_that_line(host: Machine, unit: str) -> None:
    assert not NETWORK & allowed(host, unit)
    assert allowed(host, unit, without=["PrivateNetwork", "RestrictAddressFamilies", "IPAddressDeny"]) >= NETWORK
    interfaces = ["RestrictAddressFamilies", "IPAddressDeny"]
    assert "reach 127.0.0.1:8443" not in allowed(host, unit, without=interfaces)


def test_shared_memory_does_not_outlive_a_unit(host: Machine) -> None:
    for without, more, count in (([], [], 0), (["RemoveIPC", "DynamicUser"], ["User=nobody"], 1)):
        before = _segments(host)
        allowed(host, "classroom-gpus", without, more)
        assert _segments(host) - before == count


def _segments(host: Machine) -> int:
    return host.run("cat", "/proc/sysvipc/shm").count(f" {SHARED_MEMORY} ")
