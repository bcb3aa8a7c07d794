"""The way of a student from sign-up to a notebook, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from behaviour.people import PASSWORD, log_in, submit_login
from behaviour.servers import Server
from support.waiting import wait_until

SECONDS = 1000
START = 60 * SECONDS
# JupyterLab requests files that may be missing, and the browser reports each such answer.
HARMLESS = re.compile(r"the server responded with a status of 404")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def open_window(browser: Browser, url: str, contexts: list[BrowserContext]) -> Iterator[Callable[[], Page]]:
    """Open a separate browser context for a person; errors of page scripts fail the test."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not HARMLESS.search(message.text):
            errors.append(f"{message.location.get('url')}: {message.text}")

    def open_() -> Page:
        context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 860})
        context.set_default_timeout(20 * SECONDS)
        context.on("console", heard)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield open_
    assert errors == []


def run_first_cell(page: Page) -> str:
    """Click into the first code cell and press Shift+Enter, as the welcome notebook says; return its output."""
    # Lab forgets a cell that is run before the notebook has its kernel.
    page.get_by_role("button", name="| Idle").wait_for(timeout=START)
    cell = page.locator(".jp-Notebook:visible .jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    output = cell.locator(".jp-OutputArea-output").first
    expect(output).to_be_visible(timeout=START)
    return output.inner_text()


def test_from_sign_up_to_a_notebook_and_back(
    open_window: Callable[[], Page], admin_credentials: tuple[str, str], name: str
) -> None:
    student = open_window()
    student.goto("/")
    student.get_by_role("link", name="Sign up").click()
    student.get_by_label("Username").fill(name)
    student.get_by_label("Password", exact=True).fill(PASSWORD)
    student.get_by_label("The password again").fill(PASSWORD)
    student.get_by_role("button", name="Sign up").click()
    student.wait_for_url("**/hub/waiting")

    teacher = open_window()
    log_in(teacher, *admin_credentials, next_url="/hub/authorize")
    teacher.get_by_label(f"Approve {name}", exact=True).click()
    expect(teacher.get_by_label(f"Approve {name}", exact=True)).to_have_count(0)

    student.wait_for_url("**/hub/login?username=*")
    student.get_by_label("Password:").fill(PASSWORD)
    student.get_by_role("button", name="Sign in").click()
    student.wait_for_url(f"**/user/{name}/lab/**", timeout=START)
    assert "GPU" in run_first_cell(student)

    page = student.locator(".jp-Notebook:visible")
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    student.keyboard.press("Control+a")
    student.keyboard.type("print(sum(range(101)))")
    student.keyboard.press("Shift+Enter")
    expect(page.get_by_text("5050")).to_be_visible()
    student.keyboard.press("Control+s")

    student.get_by_role("menuitem", name="File", exact=True).click()
    with student.expect_popup() as opened:
        student.get_by_role("menuitem", name="Hub Control Panel").click()
    home = opened.value
    student.close()
    home.get_by_role("button", name="Stop My Server").click()
    expect(home.get_by_role("button", name="Start My Server")).to_be_visible(timeout=START)

    # Saved files exist after the next start.
    home.get_by_role("button", name="Start My Server").click()
    home.wait_for_url(f"**/user/{name}/lab**", timeout=START)
    expect(home.locator(".jp-Notebook:visible").get_by_text("print(sum(range(101)))")).to_be_visible(timeout=START)
    home.goto("/hub/home")
    home.get_by_role("button", name="Stop My Server").click()
    expect(home.get_by_role("button", name="Start My Server")).to_be_visible(timeout=START)


def test_a_terminal_opens_and_runs_a_command(
    open_window: Callable[[], Page], new_student: Callable[[], Server]
) -> None:
    mine = new_student()
    mine.start()
    page = open_window()
    log_in(page, mine.name, next_url=f"{mine.base}lab")
    page.wait_for_url(f"**{mine.base}lab**")
    terminal = page.locator(".jp-LauncherCard", has_text="Terminal")
    if not terminal.is_visible():
        page.get_by_role("menuitem", name="File", exact=True).click()
        page.get_by_role("menuitem", name="New Launcher").click()
    terminal.click(timeout=START)
    page.locator(".jp-Terminal .xterm-screen").click()
    page.keyboard.type("echo $((6*7)) > answer.txt\n")
    wait_until(lambda: mine.get("api/contents/answer.txt").status_code == 200, "the command has run", 20)
    assert mine.read("answer.txt") == "42\n"
    mine.stop()


def test_a_student_who_is_not_approved_gets_no_server(open_window: Callable[[], Page], name: str) -> None:
    page = open_window()
    page.goto("/hub/signup")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/hub/waiting")
    for path in ("/hub/spawn", f"/user/{name}/lab", "/hub/home"):
        page.goto(path)
        assert "/hub/login" in page.url
    submit_login(page, name)
    expect(page.get_by_role("button", name="Start My Server")).to_have_count(0)
    page.goto("/hub/home")
    assert "/hub/login" in page.url
