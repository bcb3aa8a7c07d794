"""A class gets its certificate by ACME, and renews it, while students work."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from machine.machine import Machine, machine
from machine.outside import ELSEWHERE, MACHINE, MACHINE_6, Outside
from machine.student import Student
from machine.systems import build_system
from machine.test_hosts import EXPECTED
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOMAIN = "hub.example.org"
SITE = f"https://{DOMAIN}"
UNIT = f"acme-{DOMAIN}"
FILES = f"/var/lib/acme/{DOMAIN}"


@pytest.fixture(scope="module")
def server(root: Path, internet: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a class whose ACME server does not answer."""
    system = build_system("minimal", "./acme.nix", image=True)
    with machine(tmp_path_factory.mktemp("server"), root, system, internet) as made:
        yield made


@pytest.fixture(scope="module")
def nginx(server: Machine) -> str:
    """Return the number of Nginx's first process, which a reload keeps."""
    server.wait_for_unit("nginx")
    return server.unit("nginx", "MainPID")


@pytest.mark.usefixtures("nginx")
def test_without_an_answer_of_the_acme_server_the_class_comes_up(server: Machine, internet: Outside) -> None:
    for unit in ("classroom-images", "classroom-hub"):
        server.wait_for_unit(unit, 300)
    wait_until(lambda: _headers(internet, "--insecure").startswith("HTTP/2 200"), "the hub answers outside", 60)
    assert internet.curl(SITE) == "", "a browser accepts the temporary certificate"
    says = _finding(server)["says"]
    assert says.startswith("It is NixOS's own until ACME brings one: browsers refuse the site. The last try failed: ")
    assert says.endswith("connection refused.")
    assert [found for found in server.problems() if found["about"] not in EXPECTED | {"certificate"}] == []


def test_a_record_that_leads_elsewhere_is_the_reason_that_the_doctor_gives(server: Machine, internet: Outside) -> None:
    internet.set_record("hub", "A", ELSEWHERE)
    internet.set_record("hub", "AAAA")
    internet.start_acme()
    wait_until(lambda: ELSEWHERE in _finding(server)["says"], "the next try has failed", 120)
    assert UNIT in _finding(server)["mend"]


def test_the_next_try_brings_the_certificate_without_an_operator(
    server: Machine, internet: Outside, nginx: str, figures: list[str]
) -> None:
    internet.set_record("hub", "A", MACHINE)
    internet.set_record("hub", "AAAA", MACHINE_6)
    wait_until(lambda: _headers(internet).startswith("HTTP/2 200"), "a browser accepts the certificate", 120)
    wait_until(lambda: _finding(server)["state"] == "ok", "the doctor agrees", 30)
    assert server.problems() == []
    assert server.unit("nginx", "MainPID") == nginx, "Nginx was restarted"
    figures.append(
        f"ACME: {server.run('systemctl', 'show', '--value', '--property=NRestarts', UNIT).strip()} tries failed"
    )


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_browsers_are_led_to_https_and_stay_there(server: Machine, internet: Outside, family: str) -> None:  # noqa: ARG001
    answer = internet.curl(family, "--head", f"http://{DOMAIN}/hub/login?next=%2Fhub%2F")
    assert answer.startswith("HTTP/1.1 301")
    assert f"\nLocation: {SITE}/hub/login?next=%2Fhub%2F" in answer
    assert "strict-transport-security: max-age=31536000" in _headers(internet, family)


def test_a_renewal_interrupts_nobody(
    server: Machine, internet: Outside, nginx: str, tmp_path: Path, figures: list[str]
) -> None:
    environment = {"CLASSROOM_URL": SITE, "SSL_CERT_FILE": str(internet.acme.root)}
    student = Student(internet.enter(), tmp_path, server.first_password(), environment)
    try:
        _age(server, internet, 9)
        finding = _finding(server)
        assert (finding["state"], finding["mend"]) == ("warning", f"systemctl restart {UNIT}")
        assert "in 9 days" in finding["says"]
        old = _serial(server)
        # The remedy; the timer starts the same unit.
        server.shell(finding["mend"])
        wait_until(lambda: _finding(server)["state"] == "ok", "the doctor agrees", 30)
        assert _serial(server) != old
        assert server.unit("nginx", "MainPID") == nginx, "Nginx was restarted"
        report = student.end()
    finally:
        with contextlib.suppress(ProcessLookupError):
            student.process.kill()
    assert report["complete"], "a message of the kernel is missing"
    figures.append(f"longest pause of a kernel's output at a renewal: {report['gap']:.1f} s")


def test_the_timer_renews(server: Machine) -> None:
    assert server.unit(f"{UNIT}.timer", "ActiveState") == "active"
    assert server.unit(f"{UNIT}.timer", "Unit") == f"{UNIT}.service"


def test_an_expired_certificate_is_reported_with_the_reason(server: Machine, internet: Outside) -> None:
    _age(server, internet, -1)
    internet.acme.stop()
    with pytest.raises(AssertionError):
        server.shell(_finding(server)["mend"])
    says = _finding(server)["says"]
    assert says.startswith("It has expired on ")
    assert says.endswith("connection refused.")


def _headers(internet: Outside, *options: str) -> str:
    return internet.curl(*options, "--dump-header", "-", "--output", "/dev/null", f"{SITE}/hub/login")


def _finding(server: Machine) -> dict[str, str]:
    (found,) = (found for found in server.findings() if found["about"] == "certificate")
    return found


def _age(server: Machine, internet: Outside, days: int) -> None:
    """Replace the certificate by one that was issued earlier, and has this many days left."""
    chain = internet.acme.aged(server.run("cat", f"{FILES}/fullchain.pem"), days)
    stored = server.shell(f"echo /var/lib/acme/.lego/{DOMAIN}/*/{DOMAIN}.crt").strip()
    for file in (f"{FILES}/fullchain.pem", f"{FILES}/cert.pem", stored):
        server.shell(f"cat > {file}", stdin=chain)
    server.shell(f"cat {FILES}/key.pem {FILES}/fullchain.pem > {FILES}/full.pem; systemctl reload nginx")
    wait_until(lambda: _finding(server)["state"] != "ok", "Nginx has the aged certificate", 30)


def _serial(server: Machine) -> str:
    return server.run("/usr/bin/openssl", "x509", "-noout", "-serial", "-in", f"{FILES}/cert.pem")
