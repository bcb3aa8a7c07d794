"""What an operator's everyday commands take from the class comes back by itself."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from behaviour.servers import Server
from classroom.process import run
from machine.student import leave_work
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from machine.machine import Machine

# None takes a home, which is a volume here; `docker volume prune --all` does (docs/explanation/homes.md).
COMMANDS = (
    "docker system prune --all --volumes --force; docker network prune --force",
    "docker image prune --all --force",
    "docker volume prune --force",
)


@pytest.fixture(scope="module")
def mine(classroom: Machine, password: str) -> Server:
    """Return the server of a student with a file; it does not run."""
    return leave_work(classroom, password, "hedy")


@pytest.mark.parametrize("command", COMMANDS)
def test_everything_of_dockers_that_is_pruned_is_there_at_the_next_start(
    classroom: Machine, mine: Server, command: str
) -> None:
    classroom.shell(command)
    with classroom.network():
        if not _images(classroom):
            # The page says what is missing; loading the image takes as long as at the first boot.
            assert "image" in mine.visitor.get("/hub/spawn/hedy").text
            wait_until(lambda: _images(classroom), "the image is there", 240)
            classroom.wait_for_end("classroom-images-again", 240)
        mine.start()
        assert mine.read("work.txt") == "saved"
        mine.stop()


@pytest.mark.usefixtures("mine")
def test_automatic_pruning_takes_nothing(classroom: Machine) -> None:
    # By the module's own filter.
    listing = "docker image ls --quiet; docker volume ls --quiet; docker network ls --quiet"
    before = classroom.shell(listing)
    assert before
    classroom.run("systemctl", "start", "docker-prune")
    assert classroom.shell(listing) == before


def test_a_garbage_collection_leaves_what_loads_the_images() -> None:
    # `nix-collect-garbage -d` keeps the closure of the current system.
    system = build_system("minimal", PLAIN, image=True)
    kept = run(["nix-store", "--query", "--requisites", str(system)]).stdout.split()
    unit = (system / "etc/systemd/system/classroom-images.service").read_text(encoding="utf-8")
    (sources,) = re.findall(r"^ExecStart=.* (\S+\.json)$", unit, re.MULTILINE)
    for image in json.loads(Path(sources).read_text(encoding="utf-8")):
        layers = json.loads(Path(image["conf"]).read_text(encoding="utf-8"))["store_layers"]
        assert any(layers)
        assert {sources, image["stream"], image["conf"], *itertools.chain(*layers)} <= set(kept)


def test_a_restarted_firewall_keeps_the_rules_of_the_bridge(classroom: Machine) -> None:
    classroom.run("systemctl", "restart", "firewall")
    assert "firewall           The rules are in force" in classroom.run("classroom", "doctor", check=False)


def _images(machine: Machine) -> str:
    return machine.run("docker", "image", "ls", "--quiet")
