"""A switch during the lecture, to another configuration and back: nobody loses a kernel or a connection."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from machine.machine import URL, Machine
from machine.student import Student
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = '{ services.classroom = { site.title = "Another Class"; student.cpus = 1; gpu.idle = "2h"; }; }'
ENGINE = "{ virtualisation.docker.daemon.settings.max-concurrent-downloads = 1; }"
FIREWALL = "{ networking.firewall.allowedTCPPorts = [ 2222 ]; }"
NETWORK = '{ services.classroom.network.allow = [ "10.0.5.0/24" ]; }'
# Each process has another program, as with another version.
UPGRADE = """{ lib, pkgs, classroom, ... }: {
    services.classroom.package = lib.mkOverride 40 (
        pkgs.writeShellScriptBin "classroom" ''exec ${lib.getExe classroom} "$@"''
    );
}"""
UNITS = ("docker", "classroom-proxy", "classroom-hub", "classroom-engine", "nginx", "classroom-network")


@pytest.fixture(scope="module")
def student(classroom: Machine, password: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Student]:
    at_work = Student(classroom.enter_network(), tmp_path_factory.mktemp("student"), password)
    try:
        yield at_work
    finally:
        with contextlib.suppress(ProcessLookupError):
            at_work.process.kill()
        at_work.process.wait()


CASES = {
    "settings": (SETTINGS, {"classroom-hub"}),
    "network": (NETWORK, {"classroom-hub", "classroom-network"}),
    "engine": (ENGINE, set()),
    "firewall": (FIREWALL, {"classroom-network"}),
    "package": (UPGRADE, {"classroom-hub", "classroom-engine", "classroom-network"}),
}


@pytest.mark.parametrize("change", CASES)
@pytest.mark.usefixtures("student")
def test_a_switch_restarts_only_what_has_changed(classroom: Machine, figures: list[str], change: str) -> None:
    module, restarted = CASES[change]
    here, there = build_system("minimal", PLAIN, image=True), build_system("minimal", PLAIN, module, image=True)
    for system in (there, here):
        before = _started(classroom)
        begin = time.monotonic()
        classroom.switch(system)
        took = time.monotonic() - begin
        wait_until(lambda: classroom.status(f"{URL}/hub/health") == 200, "the hub answers", 60)
        answers = time.monotonic() - begin
        after = _started(classroom)
        assert {unit for unit in UNITS if before[unit] != after[unit]} <= restarted
        figures.append(f"switch with another {change}: {took:.1f} s, the hub answers after {answers:.1f} s")


def test_the_students_websocket_has_lived_through_all_of_it(student: Student, figures: list[str]) -> None:
    report = student.end()
    assert report["complete"], "a message of the kernel is missing"
    figures.append(f"longest pause of a kernel's output during {2 * len(CASES)} switches: {report['gap']:.1f} s")


def _started(machine: Machine) -> dict[str, str]:
    """Return for each unit what is another after a restart."""
    return {unit: machine.unit(unit, "InvocationID") for unit in UNITS}
