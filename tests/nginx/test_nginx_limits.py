"""Rate limits for passwords: guesses are limited, and a class behind one address is not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

import pytest

from nginx.site import NAVIGATION, SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginx.site import Site

BURST = 100
FORMS = ("/hub/login", "/hub/signup", "/hub/change-password", "/hub/change-password/alice", "/hub/api/users/a/tokens")


@pytest.fixture
def someone(addresses: Iterator[str]) -> str:
    """Return an unused client address, which the tunnel sends."""
    return next(addresses)


@pytest.fixture(scope="session")
def addresses() -> Iterator[str]:
    return (f"203.0.113.{n}" for n in count(10))


def tries(site: Site, address: str, number: int, page: str = "/hub/login", method: str = "POST") -> list[int]:
    # "target" is sent unchanged; a client library would normalize the path.
    raw = {"target": page.encode()}
    with site.client(headers={"X-Forwarded-For": address, **SCRIPT}) as tunnel, ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: tunnel.request(method, "/", extensions=raw).status_code, range(number)))


def test_thirty_students_behind_one_address_sign_up_and_log_in_at_once(tunnelled: Site, someone: str) -> None:
    """Let each student sign up, mistype a password and log in, all within seconds."""
    statuses = tries(tunnelled, someone, 30, "/hub/signup") + tries(tunnelled, someone, 60)
    assert set(statuses) == {200}


@pytest.mark.parametrize("page", FORMS)
def test_a_guesser_is_stopped(tunnelled: Site, someone: str, page: str) -> None:
    start = time.monotonic()
    statuses = tries(tunnelled, someone, 2 * BURST, page)
    passed = statuses.count(200)
    assert statuses.count(429) == len(statuses) - passed
    assert BURST <= passed <= BURST + 2 + (time.monotonic() - start)


@pytest.mark.parametrize("page", ["//hub/login", "/hub//login", "/hub/%6cogin", "/hub/login?next=/x", "/hub/login/"])
def test_another_spelling_of_the_path_does_not_bypass_the_limit(tunnelled: Site, someone: str, page: str) -> None:
    assert 429 in tries(tunnelled, someone, 2 * BURST, page)


def test_a_path_with_dots_reaches_no_form(tunnelled: Site, someone: str) -> None:
    for page in ("/x/../hub/login", "/x/%2e%2E/hub/login", "/hub/./login"):
        assert tries(tunnelled, someone, 1, page) == [400]


def test_all_forms_share_one_bucket(tunnelled: Site, someone: str) -> None:
    for page in FORMS:
        tries(tunnelled, someone, 40, page)
    assert tries(tunnelled, someone, 1) == [429]


@pytest.mark.attack(83)
def test_reading_pages_is_never_limited(tunnelled: Site, someone: str) -> None:
    tries(tunnelled, someone, 2 * BURST)
    for page in (*FORMS, "/hub/home", "/user/alice/lab"):
        assert set(tries(tunnelled, someone, 60, page, "GET")) == {200}
    for page in ("/hub/authorize/approve", "/hub/spawn", "/hub/api/users/alice/server", "/user/alice/api/contents/x"):
        assert set(tries(tunnelled, someone, 60, page)) == {200}


def test_one_guesser_does_not_stop_the_others(tunnelled: Site, someone: str, addresses: Iterator[str]) -> None:
    assert 429 in tries(tunnelled, someone, 2 * BURST)
    assert tries(tunnelled, next(addresses), 5) == [200] * 5


def test_an_ipv6_network_counts_as_one_client(tunnelled: Site) -> None:
    statuses = [
        status for number in range(0, 2 * BURST, 10) for status in tries(tunnelled, f"2001:db8:0:1:{number:x}::1", 10)
    ]
    assert 429 in statuses
    assert tries(tunnelled, "2001:db8:0:2::1", 5) == [200] * 5


@pytest.mark.attack(40)
def test_forged_addresses_give_no_new_bucket(tunnelled: Site) -> None:
    statuses = []
    for number in range(0, 2 * BURST, 20):
        with tunnelled.client("127.0.0.8", headers={"X-Forwarded-For": f"198.51.100.{number}"}) as browser:
            statuses += [browser.post("/hub/login").status_code for _ in range(20)]
    assert 429 in statuses


def test_a_client_over_the_limit_gets_an_explanation(tunnelled: Site, someone: str) -> None:
    tries(tunnelled, someone, 2 * BURST)
    with tunnelled.client(headers={"X-Forwarded-For": someone}) as browser:
        page = browser.post("/hub/login", headers=NAVIGATION)
        told = browser.post("/hub/api/users/a/tokens", headers=SCRIPT)
    assert page.status_code == told.status_code == 429
    assert "Wait a few seconds" in page.text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Retry-After"] == "5"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Wait a few seconds" in told.json()["message"]
