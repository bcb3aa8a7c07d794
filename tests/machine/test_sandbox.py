"""What each unit can read, write and reach: tried from inside its namespaces, on the host that has all units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.waiting import wait_until

if TYPE_CHECKING:
    from machine.machine import Machine

# Directories in which a unit's user can write, of those that a machine has.
WRITABLE = {
    "classroom-hub": {"/var/lib/classroom", "/tmp", "/var/tmp", "/dev/shm"},
    "classroom-proxy": {"/run/classroom", "/var/lib/classroom", "/tmp", "/var/tmp", "/dev/shm"},
    "classroom-engine": {"/tmp", "/var/tmp", "/dev/shm"},
    "classroom-gpus": {"/run/classroom-gpus", "/tmp", "/var/tmp", "/dev/shm"},
}
PLACES = (
    *("/", "/etc", "/usr", "/opt", "/var", "/var/lib", "/var/log", "/nix/store", "/srv", "/srv/homes", "/home"),
    *("/root", "/run", "/run/classroom", "/run/classroom-gpus", "/run/secrets", "/var/lib/classroom"),
    *("/var/lib/docker", "/tmp", "/var/tmp", "/dev/shm", "/dev", "/sys", "/sys/fs/cgroup", "/proc/sys/kernel"),
)
# Files and sockets that a unit must not read or connect to, whatever its user.
HIDDEN = ("/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/systemd/private")
UNITS = sorted(WRITABLE)


@pytest.fixture(scope="module", autouse=True)
def all_units(host: Machine) -> None:
    """Wait for the units of a host; only those that it has are tried."""
    host.wait_for_unit("classroom-hub")
    wait_until(lambda: "active" in host.run("systemctl", "is-active", "classroom-hub", check=False), "the hub", 60)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_writes_only_in_its_own_directories(host: Machine, unit: str) -> None:
    script = 'for place in "$@"; do [ -d "$place" ] && touch "$place/.tried" 2>/dev/null && echo "$place"; done; true'
    written = set(_inside(host, unit, "sh", "-c", script, "sh", *PLACES).split())
    assert written <= WRITABLE[unit]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_sees_no_other_users_files(host: Machine, unit: str) -> None:
    host.shell(
        "for place in /root /home/ada; do mkdir -p $place; echo secret > $place/note; chmod -R a+rX $place; done"
    )
    script = "cat /root/note /home/ada/note /var/lib/docker/engine-id /etc/shadow /run/secrets/* 2>/dev/null; true"
    assert "secret" not in _inside(host, unit, "sh", "-c", script)


@pytest.mark.parametrize("unit", ["classroom-hub", "classroom-proxy", "classroom-gpus"])
def test_a_unit_reaches_the_engine_only_through_its_filter(host: Machine, unit: str) -> None:
    for socket in HIDDEN[:2]:
        script = f"curl -s --max-time 3 --unix-socket {socket} http://engine/v1.44/info; true"
        assert _inside(host, unit, "sh", "-c", script) == ""


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_no_rights(host: Machine, unit: str) -> None:
    status = _status(host, _pid(host, unit))
    assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_the_gpu_collector_has_no_network(host: Machine) -> None:
    assert [line.split()[0] for line in _inside(host, "classroom-gpus", "ip", "-br", "link").splitlines()] == ["lo"]


def _pid(host: Machine, unit: str) -> str:
    """Return the process of a unit; skip the test where the host does not have it."""
    if host.unit(unit, "LoadState") != "loaded":
        pytest.skip(f"{host.host} has no {unit}")
    if host.unit(unit, "MainPID") == "0":
        host.run("systemctl", "start", unit)
    return host.unit(unit, "MainPID")


def _status(host: Machine, pid: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+):\t(.*)$", host.run("cat", f"/proc/{pid}/status"), re.MULTILINE))


def _inside(host: Machine, unit: str, *command: str) -> str:
    """Run a command as a unit's user in its file system and network, and return its output."""
    pid = _pid(host, unit)
    status = _status(host, pid)
    user, group = status["Uid"].split()[0], status["Gid"].split()[0]
    drop = (f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all", "--no-new-privs")
    return host.run("nsenter", f"--target={pid}", "--mount", "--net", "--wd=/", "setpriv", *drop, *command)
