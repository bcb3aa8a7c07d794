"""Account pages in a real browser: with mouse or keyboard, on a phone, in dark mode, without JavaScript."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from behaviour.people import PASSWORD, Visitor, is_approved, log_in, shown_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    Visit = Callable[..., Visitor]
    Scheme = Literal["light", "dark"]

WIDE, PHONE = (1280, 800), (360, 740)


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Open a page in a browser of its own; it fails the test if the page's scripts do."""
    errors: list[str] = []
    opened = []

    def open_(size: tuple[int, int] = WIDE, scheme: Scheme = "light", *, scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_
    for context in opened:
        context.close()
    assert errors == []


def sign_up(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/hub/signup")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("The password again").fill(password)
    page.get_by_role("button", name="Sign up").click()


def test_the_waiting_page_continues_after_the_approval(
    open_page: Callable[..., Page], admin: Visitor, name: str
) -> None:
    page = open_page()
    sign_up(page, name)
    page.wait_for_url("**/hub/waiting")
    assert page.get_by_text(name).is_visible()
    admin.act("approve", name)
    page.wait_for_url("**/hub/login?username=*")
    assert page.get_by_role("status").inner_text().startswith("Your account is approved")
    page.get_by_label("Password:").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/user/{name}/lab**", timeout=60_000)


def test_the_form_marks_the_rules_that_are_met(open_page: Callable[..., Page], name: str) -> None:
    page = open_page()
    page.goto("/hub/signup")
    rules = page.locator("#password-rules li")
    assert rules.count() == 3
    page.get_by_label("Username").fill(name)
    password = page.get_by_label("Password", exact=True)
    password.fill(name)
    assert rules.nth(0).get_attribute("class") == "met"
    assert rules.nth(1).get_attribute("class") == "unmet"
    password.fill("short")
    assert rules.nth(0).get_attribute("class") == "unmet"
    page.get_by_label("The password again").fill("shorx")
    assert page.get_by_text("not the same yet").is_visible()
    page.get_by_role("button", name="Show password").first.click()
    assert password.get_attribute("type") == "text"


def test_an_instructor_approves_all_by_keyboard(
    open_page: Callable[..., Page], visit: Visit, admin: Visitor, admin_credentials: tuple[str, str], name: str
) -> None:
    names = [f"{name}-{i}" for i in range(2)]
    for username in names:
        visit().sign_up(username)
    page = open_page()
    log_in(page, *admin_credentials)
    page.get_by_role("link", name="Accounts").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/hub/authorize")
    page.get_by_label("Select all").focus()
    page.keyboard.press("Space")
    assert page.get_by_label(f"Select {names[1]}").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Approved: ").wait_for()
    assert all(is_approved(admin, username) for username in names)


def test_everything_works_without_javascript(
    open_page: Callable[..., Page], admin: Visitor, admin_credentials: tuple[str, str], name: str
) -> None:
    student, instructor = open_page(scripts=False), open_page(scripts=False)
    sign_up(student, name)
    student.wait_for_url("**/hub/waiting")
    log_in(instructor, *admin_credentials)
    instructor.wait_for_url("**/hub/home")
    instructor.goto("/hub/authorize")
    instructor.get_by_role("button", name=f"Approve {name}", exact=True).click()
    assert is_approved(admin, name)
    student.reload()
    student.wait_for_url("**/hub/login?username=*")


UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), button, a[href]")]
    .filter((e) => e.checkVisibility() && !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title
        || e.value || e.querySelector("img[alt]")))
    .map((e) => e.outerHTML)"""


@pytest.mark.parametrize(
    "view",
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["wide", "wide, dark", "phone", "phone, dark"],
)
def test_every_page_fits_and_all_its_controls_have_names(  # noqa: PLR0917 - fixtures
    open_page: Callable[..., Page],
    visit: Visit,
    admin: Visitor,
    admin_credentials: tuple[str, str],
    name: str,
    view: tuple[tuple[int, int], Scheme],
) -> None:
    size, scheme = view
    long = f"{name}-{'x' * 32}"[:32]
    visit().sign_up(long, full_name="Wolfeschlegelsteinhausenbergerdorff " * 2)
    visit().sign_up(name)
    admin.act("approve", name)
    shots = os.environ.get("CLASSROOM_SCREENSHOTS")

    def look(page: Page, title: str) -> None:
        page.locator("h1").first.wait_for(state="attached")
        page.wait_for_load_state()
        if shots:
            page.screenshot(path=Path(shots) / f"{title}-{scheme}-{size[0]}.png", full_page=True)
        too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert too_wide <= 0, f"{title}: {too_wide} pixels too wide"
        assert page.evaluate(UNNAMED) == [], title
        assert page.locator("h1:visible, h1.visually-hidden").count() == 1, title

    stranger = open_page(size, scheme)
    for path in ("login", "signup", "waiting"):
        stranger.goto(f"/hub/{path}")
        look(stranger, path)
    log_in(stranger, long)
    stranger.wait_for_url("**/hub/waiting")
    look(stranger, "waiting-student")

    student = open_page(size, scheme)
    log_in(student, name, shown_password(admin.post(f"/hub/change-password/{name}", {})))
    student.wait_for_url("**/hub/change-password*")
    look(student, "first-password")
    student.get_by_label("New password", exact=True).fill(PASSWORD)
    student.get_by_label("The new password again").fill(PASSWORD)
    student.get_by_role("button", name="Save and continue").click()
    student.wait_for_url("**/hub/home")
    for path in ("home", "change-password", "authorize", "no-such-page"):
        student.goto(f"/hub/{path}")
        look(student, f"student-{path}")

    instructor = open_page(size, scheme)
    log_in(instructor, *admin_credentials)
    instructor.wait_for_url("**/hub/home")
    for path in ("home", "authorize", f"change-password/{name}"):
        instructor.goto(f"/hub/{path}")
        look(instructor, f"instructor-{path.split('/')[0]}")
    admin.act("reject", long)
