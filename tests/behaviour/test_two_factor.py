"""Two-factor login: a code of an app after the password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from behaviour.deployment import read_settings
from behaviour.people import PASSWORD, Visitor, api, log_in, page_messages, submit_login
from behaviour.two_factor import Phone, login, turn_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, BrowserContext, Page

    from behaviour.conftest import Server
    from behaviour.terminal import Terminal

    Visit = Callable[..., Visitor]

pytestmark = pytest.mark.timeout(180)


def test_a_login_needs_the_code_once_it_is_on(visit: Visit, student: Visitor, name: str) -> None:
    phone, codes = turn_on(student)
    assert len(codes) == 10
    stranger, owner = visit(), visit()
    assert login(stranger, name, "000000").status_code == 403
    assert not stranger.is_signed_in
    current = phone.code()
    assert login(owner, name, current).url.path == "/hub/home"
    assert owner.is_signed_in
    replay = login(stranger, name, current)
    assert "used already" in page_messages(replay)
    assert not stranger.is_signed_in
    assert student.is_signed_in, "its session goes on"


def test_a_recovery_code_works_once(visit: Visit, student: Visitor, name: str) -> None:
    _, codes = turn_on(student)
    first, second = visit(), visit()
    login(first, name, codes[0].upper())
    assert first.is_signed_in
    assert login(second, name, codes[0]).status_code == 403
    assert not second.is_signed_in
    assert "Unused recovery codes: 9" in first.get("/hub/two-factor").text


@pytest.mark.attack(97)
def test_the_second_step_needs_the_first(visit: Visit, student: Visitor, name: str) -> None:
    phone, _ = turn_on(student)
    stranger = visit()
    assert stranger.get("/hub/login/code").url.path == "/hub/login"
    assert stranger.post("/hub/login/code", {"code": phone.code()}).url.path == "/hub/login"
    assert not stranger.is_signed_in
    forged = visit()
    forged.web.cookies.set("classroom-code", f"{'0' * 32} {name}", path="/hub/")
    forged.post("/hub/login/code", {"code": phone.code()})
    assert not forged.is_signed_in


@pytest.mark.attack(97)
def test_wrong_codes_lock_the_account_for_strangers_and_not_for_the_owners_browser(
    visit: Visit, student: Visitor, name: str
) -> None:
    phone, _ = turn_on(student)
    statuses = [login(visit(), name, "000000").status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    student.get("/hub/logout")
    login(student, name, phone.code())
    assert student.is_signed_in


@pytest.mark.attack(97)
def test_a_password_alone_makes_no_token_and_existing_tokens_work(visit: Visit, student: Visitor, name: str) -> None:
    token = api(student, "POST", f"users/{name}/tokens", {}).json()["token"]
    phone, _ = turn_on(student)

    def ask(**more: str) -> int:
        body = {"auth": {"username": name, "password": PASSWORD, **more}}
        return visit().web.post(f"/hub/api/users/{name}/tokens", json=body).status_code

    assert ask() == 403
    assert ask(otp="000000") == 403
    assert ask(otp=phone.code()) == 201
    answer = visit().web.get("/hub/api/user", headers={"Authorization": f"token {token}"})
    assert answer.json()["name"] == name


def test_turning_it_on_or_off_needs_the_password(student: Visitor) -> None:
    answer = student.post("/hub/two-factor", {"action": "begin", "password": "wrong"})
    assert answer.status_code == 403
    assert "setup-key" not in answer.text
    phone, _ = turn_on(student)
    wrong = student.post("/hub/two-factor", {"action": "off", "password": "wrong", "code": phone.code()})
    assert wrong.status_code == 403
    missing = student.post("/hub/two-factor", {"action": "off", "password": PASSWORD, "code": "000000"})
    assert missing.status_code == 403
    off = student.post("/hub/two-factor", {"action": "off", "password": PASSWORD, "code": phone.code()})
    assert "Two-factor login is off" in page_messages(off)


@pytest.mark.attack(97)
def test_a_session_without_the_password_learns_no_key_of_a_setup_that_was_not_finished(student: Visitor) -> None:
    page = student.post("/hub/two-factor", {"action": "begin", "password": PASSWORD})
    match = re.search(r'id="setup-key">([A-Z2-7]+)<', page.text)
    assert match, page_messages(page)
    for typed, shown in (
        ({}, False),
        ({"key": "A" * 32}, False),
        ({"key": "\u00e4"}, False),
        ({"key": match[1]}, True),
    ):
        answer = student.post("/hub/two-factor", {"action": "confirm", "code": "000000", **typed})
        assert answer.status_code == 403
        assert (match[1] in answer.text) is shown, typed


def test_the_operator_resets_it_and_the_log_says_so(
    visit: Visit, admin: Visitor, student: Visitor, name: str, terminal: Terminal
) -> None:
    turn_on(student)
    (account,) = (row for row in terminal.ask("users", "list") if row["name"] == name)
    assert account["two_factor"]
    assert "two-factor" in admin.get("/hub/authorize").text
    assert terminal.run("users", "reset-two-factor", name).returncode == 0
    assert f"{name}: has no two-factor login" in terminal.run("users", "reset-two-factor", name).stdout
    assert terminal.run("users", "reset-two-factor", f"{name}-x").returncode == 1
    again = visit()
    assert again.sign_in(name).url.path == "/hub/home"
    actions = [row["action"] for row in terminal.ask("audit", "--user", name)]
    assert actions[-3:] == ["two-factor-on", "two-factor-reset", "login"]


def test_no_instructor_resets_the_second_factor_of_an_instructor(
    admin: Visitor, admin_credentials: tuple[str, str]
) -> None:
    teacher = admin_credentials[0]
    answer = api(admin, "POST", "classroom/accounts/reset-two-factor", {"names": [teacher]})
    assert list(answer.json()["refused"]) == [teacher]


# -- in a browser --------------------------------------------------------------------------------------------------


@pytest.fixture
def phone_page(browser: Browser, url: str, contexts: list[BrowserContext]) -> Page:
    context = browser.new_context(base_url=url, viewport={"width": 390, "height": 800})
    contexts.append(context)
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def confirm(page: Page) -> Phone:
    phone = Phone(page.locator("#setup-key").inner_text())
    assert page.locator(".qr-code svg").is_visible()
    assert fits(page)
    page.get_by_label("Code").fill(phone.code())
    page.get_by_role("button", name="Turn on").click()
    page.locator("#recovery-codes li").first.wait_for()
    assert page.locator("#recovery-codes li").count() == 10
    assert fits(page)
    return phone


def test_a_student_sets_it_up_and_logs_in_on_a_phone(phone_page: Page, student: Visitor, name: str) -> None:
    del student
    page = phone_page
    log_in(page, name, next_url="/hub/change-password")
    page.get_by_role("link", name="Two-factor login").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    phone = confirm(page)
    page.goto("/hub/logout")
    log_in(page, name, next_url="/hub/token")
    page.wait_for_url("**/hub/login/code**")
    assert page.get_by_label("Code").evaluate("field => field === document.activeElement")
    assert fits(page)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("alert").get_by_text("This code is incorrect").wait_for()
    page.get_by_label("Code").fill(phone.code())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/hub/token")


def test_instructors_set_it_up_before_anything_else_if_the_settings_say_so(
    phone_page: Page, server: Server, reload: Callable[[dict[str, Any]], None], name: str, visit: Visit
) -> None:
    settings = read_settings(server)
    reload({"admins": [*settings["admins"], name], "accounts": {"twoFactor": "instructors"}})
    once = server("exec", "cat", f"{settings['paths']['state']}/secrets/first-password-{name}").strip()
    page = phone_page
    page.goto("/hub/login")
    submit_login(page, name, once)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("The new password again").fill(PASSWORD)
    page.get_by_role("button", name="Save and continue").click()
    page.wait_for_url("**/hub/two-factor**")
    page.goto("/hub/authorize")
    page.wait_for_url("**/hub/login**")
    submit_login(page, name)
    page.wait_for_url("**/hub/two-factor**")
    page.get_by_role("button", name="Set up").click()
    confirm(page)
    page.get_by_role("link", name="I saved the codes").click()
    page.wait_for_url("**/hub/authorize")
    page.goto("/hub/two-factor")
    assert page.get_by_role("button", name="Turn off").count() == 0
    thief = visit()
    assert thief.sign_in(name).url.path == "/hub/login/code"
    assert not thief.is_signed_in
