"""Certificates for the host names of servers too: all of them by DNS, at another port than 443; or one by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from machine.machine import Machine, machine
from machine.outside import MACHINE, MACHINE_6, ROUTER, TSIG, Outside
from machine.systems import build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SITE = "https://hub.example.org:8443"
_CREDENTIALS = f"""{{ environment.etc."zone.env".text = ''
  RFC2136_NAMESERVER={ROUTER}:53
  RFC2136_TSIG_ALGORITHM=hmac-sha256.
  RFC2136_TSIG_KEY=class
  RFC2136_TSIG_SECRET={TSIG}
''; }}"""


@pytest.fixture(scope="module")
def server(root: Path, internet: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a class that may change its zone."""
    internet.set_record("*.hub", "A", MACHINE)
    internet.set_record("*.hub", "AAAA", MACHINE_6)
    internet.start_acme()
    system = build_system("minimal", "./acme.nix", "./dns.nix", _CREDENTIALS, image=True)
    with machine(tmp_path_factory.mktemp("server"), root, system, internet) as made:
        for unit in ("classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(unit, 300)
        yield made


def test_one_certificate_is_for_the_hub_and_all_servers(server: Machine, internet: Outside) -> None:
    _wait_for(internet, f"{SITE}/hub/login")
    _wait_for(internet, f"{SITE.replace('hub', 'ada.hub')}/hub/login")
    assert server.problems() == []


def test_browsers_are_led_to_the_port(server: Machine, internet: Outside) -> None:  # noqa: ARG001
    answer = internet.curl("--head", "http://hub.example.org/hub/login?next=%2Fhub%2F")
    assert f"\nLocation: {SITE}/hub/login?next=%2Fhub%2F" in answer


def test_a_page_of_a_server_asks_the_hub_who_that_is(server: Machine, internet: Outside) -> None:  # noqa: ARG001
    navigation = ("--header", "Sec-Fetch-Mode: navigate", "--header", "Accept: text/html")
    answer = internet.curl("--head", *navigation, f"{SITE.replace('hub', 'ada.hub')}/user/ada/lab")
    assert f"\nlocation: {SITE}/hub/gate/" in answer, answer


def test_a_second_name_is_proved_by_http(server: Machine, internet: Outside) -> None:
    second = '{ services.classroom.serversDomain = "servers.example.org"; }'
    server.switch(build_system("minimal", "./acme.nix", second, image=True))
    for name in ("hub", "servers"):
        _wait_for(internet, f"https://{name}.example.org/hub/login")
    assert server.problems() == []


def _wait_for(internet: Outside, url: str) -> None:
    wait_until(lambda: internet.curl("--fail", "--head", url), f"a browser accepts {url}", 180)
