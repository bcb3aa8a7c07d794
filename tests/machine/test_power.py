"""Power cuts: the machine comes back by itself, and nothing that was saved is lost."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING

from behaviour.servers import enrol
from machine.machine import URL, instructor
from machine.systems import PLAIN, build_system

if TYPE_CHECKING:
    from machine.machine import Machine


def test_a_home_survives_a_cut_while_its_owner_works(classroom: Machine, password: str, figures: list[str]) -> None:
    with classroom.network():
        mine = enrol(URL, instructor(password), "grace")
        mine.start()
        mine.write("work.txt", "saved")
    _restart(classroom, figures)
    with classroom.network():
        mine.visitor.sign_in("grace")
        mine.start()
        assert mine.read("work.txt") == "saved"


def test_a_cut_while_a_server_starts_leaves_nothing_in_the_way(
    classroom: Machine, password: str, figures: list[str]
) -> None:
    with classroom.network():
        mine = enrol(URL, instructor(password), "alan")
        mine.visitor.get("/hub/spawn/alan", follow=False)
    time.sleep(0.3)
    _restart(classroom, figures)
    with classroom.network():
        mine.visitor.sign_in("alan")
        mine.start()


def test_a_cut_during_a_backup_leaves_the_repository_in_order(classroom: Machine, figures: list[str]) -> None:
    classroom.shell("mkdir -p /var/backup; echo of this test > /root/restic-password")
    repository = ("/var/backup/class", "--password-file", "/root/restic-password")
    command = ["classroom", "backup", "create", *repository]
    classroom.run(*command, timeout=300)
    interrupted = subprocess.Popen([*classroom.enter(), *command], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    time.sleep(2)
    cut = threading.Thread(target=classroom.cut_power)
    cut.start()
    cut.join()
    interrupted.wait(30)
    _restart(classroom, figures)
    classroom.run(*command, timeout=300)
    assert "class" in classroom.run("classroom", "backup", "list", *repository, timeout=120)


def _restart(machine: Machine, figures: list[str]) -> None:
    machine.cut_power()
    begin = time.monotonic()
    machine.boot(build_system("minimal", PLAIN, image=True))
    machine.wait_for_hub()
    figures.append(f"hub answers {time.monotonic() - begin:.0f} s after a power cut")
    assert machine.problems() == []
