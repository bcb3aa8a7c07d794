"""A class behind Cloudflare Tunnel: nothing is open, and the browsers' addresses come from the tunnel alone.

cloudflared cannot be had here. It makes requests to Nginx on loopback, with the headers that it documents; so do these
tests, and edge.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.edge import DOMAIN, edge
from machine.machine import Machine, machine
from machine.outside import BROWSER, MACHINE, MACHINE_6, Outside
from machine.student import Student
from machine.systems import build_system
from machine.test_outside import listening, reached
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "http://127.0.0.1/hub/login"
HOST = ("--header", "Host: hub.example.org")
FROM_TUNNEL = (*HOST, "--header", f"CF-Connecting-IP: {BROWSER}", "--header", "X-Forwarded-Proto: https")


@pytest.fixture(scope="module")
def server(root: Path, internet: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot the host with a tunnel."""
    with machine(tmp_path_factory.mktemp("tunnel"), root, build_system("tunnel", image=True), internet) as made:
        for unit in ("classroom-network", "classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(unit, 300)
        wait_until(lambda: made.status(PAGE, *FROM_TUNNEL) == 200, "the hub answers through Nginx", 60)
        yield made


@pytest.mark.parametrize("address", [MACHINE, MACHINE_6], ids=["IPv4", "IPv6"])
def test_nothing_is_reached_past_the_tunnel(server: Machine, internet: Outside, address: str) -> None:
    ports = listening(server, "--tcp")
    assert 80 in ports
    with internet.network():
        assert reached(address, ports | {22, 443}) == set()


def test_the_log_has_the_browsers_address(server: Machine) -> None:
    path = "/hub/login?next=%2Fhub%2Fhome&seen=here"
    server.status(f"http://127.0.0.1{path}", *FROM_TUNNEL)
    assert _last_client(server) == BROWSER


def test_other_headers_of_a_browser_are_not_believed(server: Machine) -> None:
    forged = ("--header", "X-Forwarded-For: 198.51.100.1", "--header", "X-Real-IP: 198.51.100.2")
    server.status(PAGE, *FROM_TUNNEL, *forged)
    assert _last_client(server) == BROWSER


def test_the_browser_is_told_to_stay_with_https(server: Machine) -> None:
    answer = server.run("curl", "-s", "--dump-header", "-", "--output", "/dev/null", *FROM_TUNNEL, PAGE)
    assert "200 OK" in answer
    assert "Strict-Transport-Security: max-age=31536000" in answer


def test_containers_cannot_name_an_address(server: Machine) -> None:
    header = "CF-Connecting-IP: 198.51.100.3"
    api = "http://10.213.0.1:8081/hub/api/"
    assert server.status(api, "--header", header) == 200
    log = server.run("tail", "--lines=1", "/var/log/nginx/classroom-containers.log")
    assert not log.startswith("198.51.100.3 "), log


def test_a_student_works_through_the_tunnel(server: Machine, tmp_path: Path) -> None:
    with edge(tmp_path / "edge", server.enter_network()) as enter:
        environment = {"CLASSROOM_URL": f"https://{DOMAIN}", "SSL_CERT_FILE": str(tmp_path / "edge/cert.pem")}
        report = Student(enter, tmp_path, server.first_password(), environment).end()
    assert report["complete"], "a message of the kernel is missing"
    # Of the sign-up and the logins.
    audit = server.run("classroom", "audit", "--user", "ada")
    assert BROWSER in audit
    assert "127.0.0.1" not in audit


def _last_client(server: Machine) -> str:
    return server.run("tail", "--lines=1", "/var/log/nginx/access.log").split()[0]
