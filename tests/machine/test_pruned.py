"""The class's network and images after a command that cleans up: they come back when the hub asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.waiting import wait_until

if TYPE_CHECKING:
    from machine.machine import Machine


def test_a_pruned_network_comes_back_when_the_hub_asks_for_it(classroom: Machine) -> None:
    classroom.shell("docker ps --all --quiet --filter network=classroom | xargs --no-run-if-empty docker rm --force")
    classroom.run("docker", "network", "prune", "--force")
    assert "classroom" not in classroom.run("docker", "network", "ls")
    classroom.shell(
        "setpriv --reuid=classroom --regid=classroom --clear-groups sh -c ': > /var/lib/classroom/network-missing'"
    )
    wait_until(lambda: "classroom" in classroom.run("docker", "network", "ls"), "the network is back", 30)
    assert "table inet classroom_" in classroom.run("nft", "list", "tables")


def test_a_pruned_image_comes_back_when_the_hub_asks_for_it(classroom: Machine) -> None:
    before = classroom.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    classroom.run("docker", "image", "prune", "--all", "--force")
    assert classroom.run("docker", "image", "ls", "--quiet") == ""
    classroom.shell(
        "setpriv --reuid=classroom --regid=classroom --clear-groups sh -c ': > /var/lib/classroom/images-missing'"
    )
    wait_until(
        lambda: before == classroom.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split(),
        "the image is back",
        300,
    )
