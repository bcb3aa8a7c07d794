"""Boot with everything late: engine, network, secrets, certificate, image. The class comes up without an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from behaviour.servers import Server, enrol
from machine.machine import URL, machine, set_password
from machine.machine import instructor as log_in
from machine.systems import PLAIN, build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine.machine import Machine

SECRETS = "/var/lib/late-secrets"
NAMES = ("cookieSecret", "cryptKey", "proxyToken", "cliToken", "metricsToken")


@pytest.fixture(scope="module")
def late(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a class that has to wait for everything."""
    system = build_system("minimal", PLAIN, "./late.nix", image=True)
    with machine(tmp_path_factory.mktemp("late"), root, system, wait=False) as made:
        yield made


@pytest.fixture(scope="module")
def mine(late: Machine) -> Server:
    """Return the server of a student of the class, which has come up."""
    password = set_password(late)
    with late.network():
        return enrol(URL, log_in(password), "ada")


def test_an_engine_that_fails_four_times_is_tried_again(late: Machine) -> None:
    wait_until(lambda: late.unit("docker", "ActiveState") == "active", "the engine is there", 90)
    assert int(late.unit("docker", "NRestarts")) == 4
    wait_until(lambda: late.unit("classroom-network", "ActiveState") == "active", "the bridge is there", 30)


def test_the_doctor_names_secrets_and_certificate_that_are_not_there(late: Machine) -> None:
    # As long as Nginx of NixOS tries.
    wait_until(lambda: int(late.unit("nginx", "NRestarts")) > 5, "Nginx has been tried six times", 120)
    problems = late.problems()
    (secrets,) = (found for found in problems if found["about"] == "units")
    assert all(f"{SECRETS}/{name}" in secrets["says"] for name in NAMES)
    assert "classroom-hub, classroom-proxy" in secrets["says"]
    (nginx,) = (found for found in problems if found["about"] == "Nginx")
    assert f'cannot load certificate "{SECRETS}/cert.pem"' in nginx["says"]


def test_the_class_comes_up_when_secrets_and_certificate_are_there(late: Machine) -> None:
    late.shell(f"mkdir -m 711 -p {SECRETS}; umask 077")
    for name in NAMES:
        late.shell(f"head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > {SECRETS}/{name}")
    late.shell(
        f"cd {SECRETS}; touch /root/openssl.cnf; openssl req -x509 -newkey rsa:2048 -nodes -days 365 "
        "-subj /CN=localhost -config /root/openssl.cnf -keyout key.pem -out cert.pem; chown nginx key.pem cert.pem"
    )
    late.wait_for_hub()
    assert late.status(f"{URL}/hub/login") == 200


def test_while_the_image_loads_the_page_says_so(late: Machine, mine: Server) -> None:
    with late.network():
        page = mine.visitor.get("/hub/spawn/ada").text
    assert "The class is being prepared" in page
    assert "The image of the servers loads" in page


def test_the_server_starts_when_the_image_is_there(late: Machine, mine: Server) -> None:
    late.run("touch", "/var/lib/image-may-load")
    late.wait_for_unit("classroom-images", 240)
    with late.network():
        mine.start()
        mine.write("work.txt", "saved")
        mine.stop()
    assert late.problems() == []


def test_nobody_has_seen_a_traceback(late: Machine) -> None:
    assert "Traceback" not in late.run("journalctl", "--no-pager", "--boot", "--output=cat")
