"""What an operator's everyday commands take from the class comes back by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from behaviour.servers import enrol
from machine.machine import URL, instructor
from support.waiting import wait_until

if TYPE_CHECKING:
    from machine.machine import Machine


def test_everything_of_dockers_that_is_pruned_is_there_at_the_next_start(classroom: Machine, password: str) -> None:
    with classroom.network():
        mine = enrol(URL, instructor(password), "hedy")
        mine.start()
        mine.write("work.txt", "saved")
        mine.stop()
    # The module's own filter for autoPrune keeps volumes, network and images; this command has none.
    classroom.run("docker", "system", "prune", "--all", "--force")
    classroom.run("docker", "network", "prune", "--force")
    with classroom.network():
        # The page says what is missing; loading the image takes as long as at the first boot.
        assert "image" in mine.visitor.get("/hub/spawn/hedy").text
        wait_until(lambda: classroom.run("docker", "image", "ls", "--quiet"), "the image is there", 240)
        classroom.wait_for_end("classroom-images-again", 240)
        mine.start()
        assert mine.read("work.txt") == "saved"
        mine.stop()


def test_a_restarted_firewall_keeps_the_rules_of_the_bridge(classroom: Machine) -> None:
    classroom.run("systemctl", "restart", "firewall")
    assert "firewall           The rules are in force" in classroom.run("classroom", "doctor", check=False)
