"""The record of a host, booted on Debian where there is no nixpkgs: units, sandboxes and students' work."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from behaviour.people import Visitor
from behaviour.servers import Server, enrol
from images.student.common import cache_directory, locked
from machine import record
from machine.machine import URL, Machine, instructor, set_password
from machine.replay import TOPLEVEL, recorded_root
from machine.rights import ALLOWED
from machine.sandbox import allowed, prepare
from nix.conftest import debian  # noqa: F401 - a fixture
from nix.evaluation import missing as missing_nix
from stack import templates
from stack.requirements import MAKES_PROXY, missing
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = sorted(name.removeprefix("etc/systemd/system/") for name in record.recorded() if name.endswith(".service"))
STARTERS = sorted(Path(name).name for name in record.recorded() if name.endswith((".path", ".socket", ".timer")))
ON_DEMAND = {f"classroom-{name}.service" for name in ("backup", "homes", "images-again", "network-again")}
"""Units that a socket, a file or a timer starts."""


DEAD_ROUTE = """
import socket, sys

def ask(name, *lines):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"/run/classroom/{name}.sock")
        lines = (*lines, "Connection: close", "", body if name == "proxy-api" else "")
        connection.sendall("\\r\\n".join(lines).encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

body = '{"target": "http://127.0.0.1:9"}'
ask("proxy-api", "POST /api/routes/user/nobody HTTP/1.1", "Host: x", "Authorization: token " + sys.argv[1],
    f"Content-Length: {len(body)}")
print(ask("proxy", "GET /user/nobody/lab HTTP/1.1", "Host: x"))
"""
"""Program that adds a route to a port where nothing listens, and prints the answer to a request there."""


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """Boot a Debian with the record and the students' image of the stack."""
    if reason := _missing():
        pytest.skip(reason)
    # Next to the engine's data, whose layers are linked.
    directory = cache_directory() / "recorded"
    with locked(directory.name):
        subprocess.run(["rm", "-rf", directory], check=True)
        (directory / "root").mkdir(parents=True)
        try:
            with recorded_root(directory / "root") as root:
                yield from _booted(Machine(directory / "machine", root, nixos=False))
        finally:
            subprocess.run(["rm", "-rf", directory], check=True)


def _booted(made: Machine) -> Iterator[Machine]:
    template = templates.find(templates.image_content())
    assert template
    templates.copy(template, made.docker)
    try:
        made.boot(TOPLEVEL)
        for unit in ("classroom-hub", "nginx"):
            made.wait_for_unit(unit)
        _wait_for_hub(made)
        yield made
    finally:
        made.remove()


def _missing() -> str:
    """Return why the machine cannot boot here; empty if it can."""
    reasons = missing()
    if not shutil.which("systemd-nspawn"):
        reasons.append("systemd-nspawn is not installed (apt-get install systemd-container)")
    if not MAKES_PROXY.exists():
        reasons.append(f"there is no {MAKES_PROXY}: make .cache/node/ready")
    if templates.find(templates.image_content()) is None:
        reasons.append("no stack has made the students' image (make test)")
    return "; ".join(reasons)


def _wait_for_hub(host: Machine) -> None:
    def answers() -> bool:
        with host.network():
            return Visitor(URL).get("/hub/health").status_code == 200

    wait_until(answers, "the hub answers through Nginx", 90)


@pytest.fixture(scope="module")
def mine(host: Machine) -> Iterator[Server]:
    """Return the server of a student who has signed up; it runs."""
    with host.network():
        server = enrol(URL, instructor(set_password(host)), "ada")
        server.start()
        yield server


def test_every_unit_of_the_record_does_its_work(host: Machine) -> None:
    wanted = {*UNITS, *STARTERS} - {*ON_DEMAND, "docker-prune.service"}
    assert {name for name in wanted if host.unit(name, "ActiveState") != "active"} == set()
    assert json.loads(host.run("systemctl", "list-units", "--failed", "--output=json")) == []


def test_the_login_page_comes_through_nginx_and_the_doctor_finds_nothing_wrong(host: Machine) -> None:
    with host.network():
        page = Visitor(URL).get("/hub/login")
    assert page.status_code == 200
    assert page.headers["server"] == "nginx"
    assert host.problems() == []


def test_images_of_the_system_are_loaded_and_the_operators_own_stays(host: Machine) -> None:
    loaded = host.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert {"first:1", "second:1", "classroom-student:latest"} <= set(loaded)


def test_the_hub_can_read_how_far_the_images_are(host: Machine) -> None:
    pid = host.unit("classroom-hub", "MainPID")
    identity = [host.run("id", f"-{kind}", "classroom").strip() for kind in "ug"]
    inside = ["nsenter", f"--target={pid}", "--mount", f"--setuid={identity[0]}", f"--setgid={identity[1]}"]
    host.run(*inside, "test", "-r", "/run/classroom-images/lock")


def test_the_proxy_has_its_own_page_for_a_server_that_does_not_answer(host: Machine) -> None:
    token = host.run("cat", "/var/lib/classroom/secrets/proxy-token").strip()
    page = host.run("python3", "-c", DEAD_ROUTE, token)
    assert "503" in page.splitlines()[0]
    assert "This page reloads automatically" in page


def test_a_server_outlives_restarts_of_the_hub_and_of_the_engine(host: Machine, mine: Server) -> None:
    before = {unit: host.unit(unit, "MainPID") for unit in ("classroom-proxy", "nginx", "classroom-engine")}
    with mine.kernel() as kernel:
        kernel.run("kept = 41")
        host.run("systemctl", "restart", "classroom-hub")
        assert kernel.ask("kept + 1") == 42
        host.run("systemctl", "restart", "docker")
        assert kernel.ask("kept + 2") == 43
    _wait_for_hub(host)
    assert {unit: host.unit(unit, "MainPID") for unit in before} == before
    assert host.problems() == []


def test_rules_that_another_program_takes_come_back_while_a_student_works(host: Machine, mine: Server) -> None:
    with mine.kernel() as kernel:
        kernel.run("kept = 41")
        host.run("nft", "flush", "ruleset")
        wait_until(lambda: "from_student" in host.run("nft", "list", "ruleset"), "the class's rules are back", 5)
        assert kernel.ask("kept + 1") == 42
        # Docker makes its own rules, which the flush has taken too, when it starts.
        (found,) = host.problems()
        assert (found["about"], found["mend"]) == ("internet", "systemctl restart docker")
        host.run("systemctl", "restart", "docker")
        assert kernel.ask("kept + 2") == 43
    assert host.problems() == []


def test_a_backup_has_the_class(host: Machine, mine: Server) -> None:
    mine.write("work.txt", "saved")
    host.run("systemctl", "start", "classroom-backup", timeout=300)
    assert "class" in host.run("classroom", "backup", "list")


@pytest.mark.parametrize("unit", [unit for unit in ALLOWED if f"{unit}.service" in UNITS])
def test_a_unit_can_do_what_it_is_for_and_nothing_else(reachable: Machine, unit: str) -> None:
    assert allowed(reachable, unit) == ALLOWED[unit]


@pytest.fixture(scope="module")
def reachable(host: Machine) -> Machine:
    """Put on the machine what the sandboxes keep from units."""
    prepare(host)
    host.shell("mkdir -m 700 /run/secrets; touch /run/secrets/cookie")
    host.run("systemd-run", "--quiet", "python3", "-m", "http.server", "--bind=127.0.0.1", "8443")
    wait_until(lambda: ":8443" in host.run("ss", "-tln"), "a service of the machine listens", 10)
    return host


def test_the_record_is_that_of_a_fresh_build(request: pytest.FixtureRequest) -> None:
    if reason := missing_nix():
        pytest.skip(reason)
    request.getfixturevalue("debian")
    from machine.systems import read_fresh  # noqa: PLC0415 - it needs Nix

    fresh, kept = read_fresh(), record.recorded()
    if record.release(fresh) != record.release(kept):
        pytest.skip(f"the record is of NixOS {record.release(kept)}, <nixpkgs> is {record.release(fresh)}")
    stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
    assert not stale, f"tests/machine/recorded is not what the module makes: run `make recorded`. Stale: {stale}"
