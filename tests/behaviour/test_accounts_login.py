"""Login, and its protection against guesses."""

from __future__ import annotations

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from behaviour.people import PASSWORD, Visitor, page_messages, shown_password

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from behaviour.conftest import Server

    Visit = Callable[..., Visitor]


FLOOD = 60


@pytest.mark.attack(45)
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "///evil.example",
        "https:evil.example",
        "%5C%5Cevil.example",
    ],
)
def test_a_login_never_leads_to_another_site(visit: Visit, student: Visitor, name: str, target: str) -> None:
    del student
    visitor = visit()
    visitor.get("/hub/login")
    answer = visitor.post(f"/hub/login?next={target}", {"username": name, "password": PASSWORD}, follow=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/")
    assert not answer.headers["Location"].startswith(("//", "/\\"))


def test_a_password_in_the_field_of_the_name_is_not_in_the_log(visit: Visit, server: Server, name: str) -> None:
    visitor = visit()
    visitor.sign_in(f"my-secret-{name}", "x")
    visitor.sign_in(f"another {name}", "x")
    assert name not in server("logs", "hub")


@pytest.mark.attack(41)
def test_unknown_and_known_names_get_the_same_answer(visit: Visit, student: Visitor, name: str) -> None:
    del student
    known, unknown = visit().sign_in(name, "wrong password"), visit().sign_in(f"{name}-x", "wrong password")
    assert known.status_code == unknown.status_code == 403
    assert page_messages(known) == page_messages(unknown) == "Wrong username or password."


@pytest.mark.attack(41)
def test_unknown_and_known_names_take_the_same_time(
    visit: Visit, student: Visitor, name: str, figure: Callable[[str], None]
) -> None:
    del student

    def seconds(who: str) -> float:
        visitor = visit()
        visitor.get("/hub/login")
        start = time.perf_counter()
        visitor.post("/hub/login", {"username": who, "password": "wrong password"})
        return time.perf_counter() - start

    pairs = [(seconds(name), seconds(f"{name}-x")) for _ in range(7)]
    known, unknown = (statistics.median(side) for side in zip(*pairs, strict=True))
    figure(f"a wrong password: {known:.2f} s for a known name, {unknown:.2f} s for an unknown one")
    assert 0.6 < known / unknown < 1.7


def lock(visitor: Visitor, name: str) -> list[int]:
    visitor.get("/hub/login")
    return [visitor.post("/hub/login", {"username": name, "password": f"wrong {i}"}).status_code for i in range(6)]


def test_five_wrong_passwords_lock_out_the_name_at_that_address_only(visit: Visit, student: Visitor, name: str) -> None:
    attacker = visit()
    if attacker.address is None:
        pytest.skip("the site is not on this machine: all tests come from one address")
    assert lock(attacker, name) == [403] * 5 + [429]
    answer = attacker.sign_in(name)
    assert answer.status_code == 429
    assert re.search(r"Wait \d+ minute", page_messages(answer))
    assert not attacker.is_signed_in
    owner = visit()
    owner.sign_in(name)
    assert owner.is_signed_in
    assert student.is_signed_in


@pytest.mark.attack(38)
def test_wrong_passwords_from_the_rooms_address_do_not_lock_out_a_browser_known_to_the_class(
    visit: Visit, student: Visitor, name: str
) -> None:
    if student.address is None:
        pytest.skip("the site is not on this machine: all tests come from one address")
    student.get("/hub/logout")
    neighbour = visit(student.address)
    assert lock(neighbour, name)[-1] == 429
    assert neighbour.sign_in(name).status_code == 429
    student.sign_in(name)
    assert student.is_signed_in


def test_a_name_without_an_account_is_locked_out_as_well(visit: Visit, name: str) -> None:
    assert lock(visit(), name) == [403] * 5 + [429]


def test_concurrent_wrong_passwords_do_not_bypass_the_lockout(visit: Visit, name: str) -> None:
    attacker = visit()
    attacker.get("/hub/login")

    def guess(i: int) -> int:
        return attacker.post("/hub/login", {"username": name, "password": f"wrong {i}"}).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, range(12)))
    assert answers.count(403) == 5
    assert answers.count(429) == 7


def test_a_lockout_survives_a_restart_of_the_hub(visit: Visit, server: Server, name: str) -> None:
    attacker = visit()
    assert lock(attacker, name)[-1] == 429
    server("restart", "hub")
    assert attacker.sign_in(name).status_code == 429


def test_a_new_password_from_the_instructor_ends_the_lockout(
    visit: Visit, admin: Visitor, student: Visitor, name: str
) -> None:
    del student
    locked = visit()
    lock(locked, name)
    password = shown_password(admin.post(f"/hub/change-password/{name}", {}))
    assert locked.sign_in(name, password).url.path == "/hub/change-password"


def test_forty_wrong_logins_do_not_stall_the_hub(visit: Visit, name: str, figure: Callable[[str], None]) -> None:
    people = [visit() for _ in range(40)]
    for person in people:
        person.get("/hub/login")
    bystander = visit()
    waits: list[float] = []
    with ThreadPoolExecutor(len(people)) as pool:
        tries = [
            pool.submit(person.post, "/hub/login", {"username": f"{name}-{i}", "password": "wrong"})
            for i, person in enumerate(people)
        ]
        while not all(attempt.done() for attempt in tries):
            start = time.perf_counter()
            assert bystander.get("/hub/health").status_code == 200
            waits.append(time.perf_counter() - start)
            time.sleep(0.02)
    assert {attempt.result().status_code for attempt in tries} == {403}
    figure(f"during 40 wrong logins {len(waits)} other requests were answered, the slowest in {max(waits):.2f} s")
    assert max(waits) < 1.5


@pytest.mark.attack(76)
def test_a_flood_of_wrong_logins_does_not_delay_another_address(
    visit: Visit, student: Visitor, name: str, figure: Callable[[str], None]
) -> None:
    attackers = [visit(), visit()]
    if attackers[0].address is None:
        pytest.skip("the site is not on this machine: all tests come from one address")
    for attacker in attackers:
        attacker.get("/hub/login")

    def login() -> float:
        student.get("/hub/logout")
        student.get("/hub/login")
        start = time.perf_counter()
        student.sign_in(name)
        return time.perf_counter() - start

    alone = login()
    with ThreadPoolExecutor(FLOOD) as pool:
        for i in range(FLOOD):
            form = {"username": f"{name}-{i}", "password": "wrong"}
            pool.submit(attackers[i % 2].post, "/hub/login", form)
        seconds = login()
    assert student.is_signed_in
    figure(f"a login during {FLOOD} wrong logins at once: {seconds:.2f} s; alone {alone:.2f} s")
    # On a busy machine each hash takes longer. In the order of arrival it would be thirty times as long as alone.
    assert seconds < max(2, 10 * alone)


def test_twenty_concurrent_sign_ups_and_logins_succeed(
    visit: Visit, admin: Visitor, name: str, figure: Callable[[str], None]
) -> None:
    people = {f"{name}-{i}": visit() for i in range(20)}

    def timed(step: Callable[[str], httpx.Response], arrives: str) -> float:
        def one(who: str) -> float:
            start = time.perf_counter()
            answer = step(who)
            assert answer.url.path == arrives, f"{answer.status_code} {page_messages(answer)}"
            return time.perf_counter() - start

        with ThreadPoolExecutor(len(people)) as pool:
            return max(pool.map(one, people))

    signing_up = timed(lambda who: people[who].sign_up(who), "/hub/waiting")
    admin.act("approve", *people)
    signing_in = timed(lambda who: people[who].sign_in(who), "/hub/home")
    figure(f"20 at once: slowest sign-up {signing_up:.1f} s, slowest login {signing_in:.1f} s")


def test_an_instructor_sees_waiting_students_after_login(
    visit: Callable[..., Visitor], admin_credentials: tuple[str, str]
) -> None:
    teacher = visit()
    teacher.get("/hub/login")
    name, password = admin_credentials
    answer = teacher.post("/hub/login", {"username": name, "password": password}, follow=False)
    assert answer.headers["location"].endswith("/hub/authorize")


@pytest.mark.usefixtures("student")
def test_a_login_leads_a_student_to_their_server(visit: Callable[..., Visitor], name: str) -> None:
    again = visit()
    again.get("/hub/login")
    answer = again.post("/hub/login", {"username": name, "password": PASSWORD}, follow=False)
    assert answer.headers["location"] in {"/hub/", "/hub/spawn", f"/hub/user/{name}/", f"/user/{name}/"}


@pytest.mark.attack(55)
def test_a_copy_of_a_cookie_is_worth_nothing_after_sign_out(visit: Visit, student: Visitor) -> None:
    thief = visit()
    thief.web.cookies.update(student.web.cookies)
    assert thief.is_signed_in
    student.get("/hub/logout")
    assert not student.is_signed_in
    assert not thief.is_signed_in


@pytest.mark.attack(51)
def test_a_link_on_another_site_does_not_sign_other_browsers_out(visit: Visit, student: Visitor, name: str) -> None:
    elsewhere = visit()
    elsewhere.sign_in(name)
    student.web.get("/hub/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.is_signed_in
