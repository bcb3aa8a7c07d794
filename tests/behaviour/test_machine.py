"""A machine that lacks what others have: servers start without it, and the operator reads what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from behaviour import containers
from behaviour.deployment import student_image, working_directory
from behaviour.servers import CodeError, Server
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(120)

# A kernel with ipv6.disable=1 has no directory /proc/sys/net/ipv6. This runtime asks for one that none has: the real
# runtime fails as it does there.
RUNTIME = """#!/bin/sh
previous=
for word in "$@"; do
    if [ "$previous" = --bundle ]; then
        sed -i 's/net[.]ipv6[.]conf[.]all[.]/net.ipv6.conf.none./' "$word/config.json"
    fi
    previous=$word
done
exec runc "$@"
"""


@pytest.fixture
def without_ipv6(server: Verb) -> Iterator[None]:
    """Take IPv6 away from the containers of the engine."""
    folder = working_directory(server)

    def sh(script: str, *arguments: str) -> str:
        return server("exec", "sh", "-euc", script, "sh", folder, *arguments)

    def use(runtime: str, more: str) -> None:
        own = f'"default-runtime": "{runtime}", {more}'
        sh(
            f"sed -i '1s|^{{|{{{own}|' \"$1/daemon.json\";"
            'kill -HUP "$(pgrep -f "dockerd --config-file $1/daemon.json")"'
        )
        shown = lambda: server("docker", "info", "--format", "{{.DefaultRuntime}}").strip()  # noqa: E731
        wait_until(lambda: shown() == runtime, f"the engine uses {runtime}", 10)

    sh('printf %s "$2" > "$1/none"; chmod 755 "$1/none"; cp -p "$1/daemon.json" "$1/before"', RUNTIME)
    use("none", f'"runtimes": {{"none": {{"path": "{folder}/none"}}}}, ')
    yield
    sh('cp -p "$1/before" "$1/daemon.json"')
    use("runc", "")
    sh('mv "$1/before" "$1/daemon.json"')  # with its old time
    server("restart", "filter")  # it forgets what it has learned, and then the hub does


@pytest.mark.needs("daemon.json")
@pytest.mark.usefixtures("without_ipv6")
def test_a_kernel_without_ipv6_starts_servers(server: Verb, new_student: Callable[[], Server]) -> None:
    first, second = new_student(), new_student()
    first.start()
    assert not containers.inspect(server, first.name)["HostConfig"].get("Sysctls")
    assert "The machine does not have IPv6" in server("logs", "hub")
    # The filter lets a container keep IPv6 only after the engine has said that there is none.
    server("restart", "filter")
    second.start()
    assert not containers.inspect(server, second.name)["HostConfig"].get("Sysctls")
    for student in (first, second):
        student.stop()


@pytest.mark.needs("prune")
def test_an_image_and_a_network_that_were_pruned_are_named_and_work_again_once_they_are_made(
    server: Verb, new_student: Callable[[], Server]
) -> None:
    student = new_student()
    settings = server("settings").strip()
    state = json.loads(server("exec", "cat", settings))["paths"]["state"]
    image = student_image(server)
    server("docker", "tag", image, "kept:latest")
    server("docker", "rmi", image)
    try:
        with pytest.raises(CodeError, match=f"The image {image} is not on this machine"):
            student.start()
        doctor = server("exec", "sh", "-c", f"classroom doctor --settings {settings} || true")
        assert f"{student.name} does not exist" not in " ".join(doctor.split()), "the home is yet to be created"
    finally:
        server("docker", "tag", "kept:latest", image)
        server("docker", "rmi", "kept:latest")
    assert "images-missing" in server("exec", "ls", state), "on NixOS, a unit loads the image"
    for container in server("docker", "ps", "--all", "--quiet", "--filter", "network=classroom").split():
        server("docker", "rm", "--force", container)
    server("docker", "network", "prune", "--force", "--filter", "label!=org.classroom.keep")
    server("docker", "network", "inspect", "classroom")
    server("docker", "network", "prune", "--force")
    with pytest.raises(CodeError, match=r"The network of the servers, classroom, is not on this machine\. Your files"):
        student.start()
    assert "run as root: classroom network up" in server("logs", "hub")
    doctor = server("exec", "sh", "-c", f"classroom doctor --settings {settings} || true")
    assert "The network classroom does not exist" in " ".join(doctor.split())
    # As on NixOS, where a unit watches the file.
    watch = "(until [ -e network-missing ]; do sleep 0.1; done; classroom network up --settings $1) &"
    server("exec", "sh", "-euc", f'(cd "$2"; rm network-missing; {watch}) > /dev/null 2>&1', "sh", settings, state)
    student.start()
    student.stop()
