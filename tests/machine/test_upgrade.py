"""Upgrade to a release that migrates the database, and the way back: by a rollback, and after a power cut."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from behaviour.people import Visitor
from behaviour.servers import enrol
from machine.machine import URL, instructor
from machine.newer import BEGUN, WAIT, install_newer
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine.machine import Machine


@pytest.fixture(scope="module")
def old() -> Path:
    """Return the system of the machine."""
    return build_system("minimal", PLAIN, image=True)


@pytest.fixture(scope="module")
def newer(classroom: Machine, old: Path) -> Iterator[Path]:
    """Return a system with a later release; afterwards the machine is back on its own."""
    yield install_newer(classroom)
    classroom.switch(old)


def test_after_a_rollback_the_command_that_the_hub_names_brings_the_class_back_with_its_data(
    classroom: Machine, password: str, old: Path, newer: Path, figures: list[str]
) -> None:
    with classroom.network():
        mine = enrol(URL, instructor(password), "emmy")
        mine.start()
        mine.write("work.txt", "saved")
    classroom.switch(newer)
    classroom.wait_for_hub()
    with classroom.network():
        enrol(URL, instructor(password), "late")
    classroom.switch(old)
    refusal = _refusal(classroom)
    assert "\n" not in refusal
    (finding,) = (found for found in classroom.problems() if found["about"] == "database")
    assert finding["mend"] in refusal
    begin = time.monotonic()
    # The operator types what the message says, and agrees.
    printed = classroom.shell(refusal.split(": ")[-1], stdin="y\n")
    assert "The hub starts by itself" in printed
    classroom.wait_for_hub()
    figures.append(f"hub answers {time.monotonic() - begin:.0f} s after the restore of the database's copy")
    assert classroom.problems() == []
    with classroom.network():
        mine.visitor.sign_in("emmy")
        assert mine.read("work.txt") == "saved", "the server ran through the switch and the rollback"
        late = Visitor(URL)
        late.sign_in("late")
        assert not late.is_signed_in, "the copy is from before this account"
        mine.stop()


def test_a_power_cut_in_a_migration_loses_nothing(classroom: Machine, password: str, old: Path, newer: Path) -> None:
    with classroom.network():
        enrol(URL, instructor(password), "lise")
    classroom.run("touch", WAIT)
    classroom.switch(newer)
    wait_until(lambda: classroom.shell(f"cat {BEGUN} && echo begun", check=False), "the migration has begun", 60)
    classroom.cut_power()
    # Nothing has changed for the old release, and the newer one migrates again.
    classroom.boot(old)
    classroom.run("rm", "-f", WAIT, BEGUN)
    _assert_class_of_lise(classroom)
    classroom.switch(newer)
    _assert_class_of_lise(classroom)
    assert json.loads(classroom.run("classroom", "upgrade", "status", "--json"))["database"]["classroom"] == "9999"
    classroom.switch(old)
    classroom.run("classroom", "upgrade", "rollback", "--yes")
    classroom.wait_for_hub()


def _assert_class_of_lise(machine: Machine) -> None:
    machine.wait_for_hub()
    assert machine.problems() == []
    with machine.network():
        visitor = Visitor(URL)
        visitor.sign_in("lise")
        assert visitor.is_signed_in
    assert machine.shell("ls -A /var/lib/classroom | grep migrating || true") == ""


def _refusal(machine: Machine) -> str:
    """Return what the hub says when it does not start."""

    def read() -> str:
        journal = machine.run("journalctl", "--unit=classroom-hub", "--boot", "--output=cat", "--lines=50")
        found = re.findall(r"^The database .*newer version.*$", journal, re.MULTILINE)
        return found[-1] if found else ""

    return wait_until(read, "the hub refuses the database", 60)
