"""Every host of tests/hosts boots into a class that works."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from machine.machine import Machine, machine
from machine.systems import LOCAL, build_system
from support.waiting import wait_until

ADDRESS = {
    "minimal": "https://hub.example.org/",
    "gpu": "https://gpu.example.org/",
    "everything": "https://class.example.org:8443/",
    "tunnel": "http://hub.example.org/",
}
UNITS = {
    "everything": ["classroom-homes.socket"],
    "gpu": ["classroom-gpus"],
}
# Units whose program cannot be had here: the tunnel's end, and NVIDIA's.
NO_PROGRAM = {
    "cloudflared-tunnel-00000000-0000-4000-8000-000000000000.service",
    "nvidia-container-toolkit-cdi-generator.service",
}
# The machine has no clock of its own, no card and no backup, and shares its kernel.
EXPECTED = {"clock", "GPUs", "driver", "backup", "kernel's limits", "image", "homes"}


def test_the_class_comes_up(host: Machine, figures: list[str]) -> None:
    for unit in ("docker", "classroom-network", "classroom-images", "classroom-proxy", "classroom-hub", "nginx"):
        host.wait_for_unit(unit)
    for unit in UNITS.get(host.host, []):
        assert host.unit(unit, "ActiveState") in {"active", "activating"}
    wait_until(lambda: _fetch(host, "hub/health") == 200, "the hub answers through Nginx", 60)
    assert _fetch(host, "hub/login") == 200
    figures.append(f"{host.host}: login page {_uptime(host):.0f} s after boot")


def test_no_unit_has_failed(host: Machine) -> None:
    failed = {unit["unit"] for unit in json.loads(host.run("systemctl", "list-units", "--failed", "--output=json"))}
    assert failed <= NO_PROGRAM


def test_nothing_writes_a_traceback(host: Machine) -> None:
    journal = host.run("journalctl", "--no-pager", "--boot", "--output=cat")
    assert "Traceback" not in journal
    assert "DeprecationWarning" not in journal


def test_the_doctor_finds_nothing_wrong(host: Machine) -> None:
    problems = [found for found in host.problems() if not any(unit in found["says"] for unit in NO_PROGRAM)]
    assert [found for found in problems if found["about"] not in EXPECTED] == []


def test_the_doctor_names_a_stopped_nginx(host: Machine) -> None:
    if not ADDRESS[host.host].startswith("https:"):
        pytest.skip("TLS ends elsewhere")
    host.run("systemctl", "stop", "nginx")
    try:
        (found,) = (found for found in host.problems() if found["about"] == "certificate")
        assert found["says"].startswith("Nginx does not run")
    finally:
        host.run("systemctl", "start", "nginx")


@pytest.mark.parametrize("user", ["nobody", "nginx"])
def test_secrets_are_the_hubs_alone(host: Machine, user: str) -> None:
    script = f"setpriv --reuid={user} --clear-groups cat /var/lib/classroom/secrets/* && echo read"
    assert "read" not in host.shell(script, check=False)


def test_a_switch_to_all_settings_and_back_leaves_a_class_that_works(
    root: Path, tmp_path: Path, figures: list[str]
) -> None:
    systems = {name: build_system(name, LOCAL[name]) for name in ("minimal", "everything")}
    with machine(tmp_path, root, systems["minimal"]) as made:
        for name in ("minimal", "everything", "minimal"):
            made.host = name
            begin = time.monotonic()
            made.switch(systems[name])
            wait_until(lambda: _fetch(made, "hub/health") == 200, "the hub answers through Nginx", 60)
            figures.append(f"switch to {name}: the hub answers after {time.monotonic() - begin:.0f} s")
            test_no_unit_has_failed(made)
            test_the_doctor_finds_nothing_wrong(made)
            test_nothing_writes_a_traceback(made)


def _fetch(host: Machine, path: str) -> int:
    """Return the status of a page, asked for under the class's own name."""
    address = urlsplit(ADDRESS[host.host])
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    return host.status(f"{address.geturl()}{path}", "--resolve", f"{address.hostname}:{port}:127.0.0.1")


def _uptime(host: Machine) -> float:
    """Return the seconds since systemd has started."""
    start = int(host.run("systemctl", "show", "--value", "--property=UserspaceTimestampMonotonic")) / 1e6
    return float(host.run("cut", "-d ", "-f1", "/proc/uptime")) - start
