"""Power cut in the middle of a move of homes: no home is lost or used before it is whole, and the move goes on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from behaviour.servers import Server
from machine.student import leave_work
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine.machine import Machine

HOMES = "/srv/homes"
DIRECTORIES = f'{{ services.classroom.storage = {{ kind = "directory"; path = "{HOMES}"; }}; }}'
VOLUME = "/var/lib/docker/volumes/classroom-home-vera"
# A copy that takes seconds.
BIG = "head -c 1G /dev/zero > big; chown 1000:100 big"


@pytest.fixture(scope="module")
def directories() -> Path:
    """Return the system with homes that are directories."""
    return build_system("minimal", PLAIN, DIRECTORIES, image=True)


@pytest.fixture(scope="module")
def volumes(classroom: Machine) -> Iterator[Path]:
    """Return the system with homes that are volumes, on which the machine is afterwards too."""
    system = build_system("minimal", PLAIN, image=True)
    yield system
    classroom.switch(system)


@pytest.fixture(scope="module")
def mine(classroom: Machine, password: str) -> Server:
    """Return the server of a student with a large home; it does not run."""
    server = leave_work(classroom, password, "vera")
    classroom.shell(f"cd {VOLUME}/_data; {BIG}")
    return server


@pytest.mark.usefixtures("volumes")
def test_a_home_that_is_still_a_volume_does_not_start_as_an_empty_directory(
    classroom: Machine, mine: Server, directories: Path
) -> None:
    classroom.switch(directories)
    classroom.wait_for_hub()
    _assert_refused(classroom, mine, "Your home cannot be reached now")
    assert classroom.run("ls", "-A", HOMES) == ""


def test_after_a_cut_in_a_move_to_directories_the_move_goes_on(
    classroom: Machine, mine: Server, directories: Path
) -> None:
    _cut_in_move(classroom, f"{HOMES}/.moving-classroom-home-vera/big")
    _come_back(classroom, directories)
    _assert_finding(classroom, "classroom homes move")
    _assert_refused(classroom, mine, "Your home is being moved")
    classroom.run("classroom", "homes", "move", timeout=300)
    _assert_works(classroom, mine)
    classroom.run("classroom", "homes", "move", "--remove-old", "vera")


def test_after_a_cut_in_a_move_to_volumes_the_move_goes_on(classroom: Machine, mine: Server, volumes: Path) -> None:
    classroom.switch(volumes)
    _cut_in_move(classroom, f"{VOLUME}/.moving-classroom-home-vera/big", "--from", HOMES)
    _come_back(classroom, volumes)
    _assert_finding(classroom, f"classroom homes move --from {HOMES}")
    _assert_refused(classroom, mine, "Your home is being moved")
    classroom.run("classroom", "homes", "move", "--from", HOMES, check=False, timeout=300)
    _assert_works(classroom, mine)
    classroom.shell(f"rm -rf {HOMES}/* {VOLUME}/_data/big")


def _cut_in_move(machine: Machine, copy: str, *options: str) -> None:
    """Cut the power while a file is copied."""
    command = [*machine.enter(), "classroom", "homes", "move", "vera", *options]
    interrupted = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    wait_until(lambda: machine.shell(f"test -s {copy} && echo begun", check=False), "the copy has begun", 30, 0.02)
    assert interrupted.poll() is None
    machine.cut_power()
    interrupted.wait(30)


def _come_back(machine: Machine, system: Path) -> None:
    machine.boot(system)
    machine.wait_for_hub()


def _assert_finding(machine: Machine, command: str) -> None:
    """Assert that the doctor names the command that goes on with the move, and nothing else is wrong."""
    (found,) = machine.problems()
    assert (found["about"], found["mend"]) == ("homes", command)
    assert "vera" in found["says"]


def _assert_refused(machine: Machine, mine: Server, message: str) -> None:
    with machine.network():
        mine.visitor.sign_in("vera")
        wait_until(lambda: message in mine.visitor.get("/hub/spawn/vera").text, f"the page says: {message}", 30)


def _assert_works(machine: Machine, mine: Server) -> None:
    assert machine.problems() == []
    with machine.network():
        mine.start()
        assert mine.read("work.txt") == "saved"
        mine.stop()
