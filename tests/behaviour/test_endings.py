"""End of a server that nobody expected: the open page says why, and the last lines of the log can be read."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from websockets.exceptions import ConnectionClosed

from behaviour.containers import identifier
from behaviour.deployment import student_image
from behaviour.people import Visitor, api, log_in
from behaviour.servers import CodeError, Server
from behaviour.terminal import Terminal
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(240)

MARK = uuid.uuid4().hex


@pytest.fixture(scope="module")
def small(module_reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server]) -> Server:
    """Return a student whose server has little memory; it does not run yet."""
    module_reload({"student": {"memory": "512M"}})
    return new_student()


@pytest.fixture
def page(small: Server, browser: Browser, url: str, contexts: list[BrowserContext]) -> Iterator[Page]:
    """Return the page of the student, who has opened JupyterLab."""
    small.start()
    contexts.append(browser.new_context(base_url=url))
    page = contexts[-1].new_page()
    log_in(page, small.name, next_url=f"{small.base}lab")
    yield page
    if small.is_known:
        small.stop()


def lab_is_open(page: Page) -> None:
    page.locator(".jp-LauncherCard, .jp-Notebook").first.wait_for(timeout=60_000)
    page.wait_for_function("performance.getEntriesByType('resource').some(e => e.name.includes('classroom/notice'))")


def run_to_the_end(small: Server, code: str) -> None:
    """Run code that ends the server, and wait until its connection ends."""
    with small.kernel() as kernel:
        kernel.run("pass")
        with pytest.raises((ConnectionClosed, CodeError)):
            kernel.run(code, bound=30)


def use_up_memory(small: Server, _server: Verb, _terminal: Terminal) -> None:
    run_to_the_end(small, "!cat /dev/zero >/dev/shm/filler")


def kill_from_within(small: Server, _server: Verb, _terminal: Terminal) -> None:
    line = f"\x1b[31m\x1b]0;title\x07{MARK}\n"
    run_to_the_end(small, f"import os; open('/proc/1/fd/2', 'w').write({line!r}); os.kill(os.getppid(), 9)")


def kill_from_outside(small: Server, server: Verb, _terminal: Terminal) -> None:
    server("docker", "kill", identifier(server, small.name))


def stop(small: Server, _server: Verb, terminal: Terminal) -> None:
    terminal.run("servers", "stop", small.name)


def test_an_open_page_says_within_two_seconds_why_the_server_has_ended_and_starts_it_again(
    small: Server, page: Page, server: Verb, terminal: Terminal
) -> None:
    for end, because in (
        (use_up_memory, "it needed more than its memory of 512M"),
        (kill_from_outside, "its container was stopped from outside"),
        (stop, "an instructor stopped it"),
        (kill_from_within, "its program was ended by a signal (SIGKILL)"),
    ):
        lab_is_open(page)
        small.open()
        end(small, server, terminal)
        dialog = page.get_by_role("dialog").filter(has_text="Your server has stopped, because")
        before = time.monotonic()
        expect(dialog).to_contain_text(f"Your server has stopped, because {because}", timeout=6000)
        assert time.monotonic() - before < 2
        # A start may take less than a second: its page is not always seen.
        with page.expect_navigation(url=f"**{small.base}lab**", timeout=60_000):
            dialog.get_by_role("button", name="Start my server").click()
    lab_is_open(page)


def test_a_page_that_is_loaded_after_the_end_says_why(small: Server, page: Page, server: Verb) -> None:
    lab_is_open(page)
    server("docker", "kill", identifier(server, small.name))
    wait_until(lambda: not small.is_known, "the hub has noticed", 2, 0.05)
    before = time.monotonic()
    page.reload()
    expect(page.get_by_text("Your server has stopped, because its container was stopped")).to_be_visible(timeout=6000)
    assert time.monotonic() - before < 2.5
    page.get_by_role("link", name="Details for your instructor").click()
    expect(page.get_by_text("Last lines of its log")).to_be_visible()


def test_the_log_of_a_server_that_died_can_be_read_by_operators_and_instructors(
    small: Server, server: Verb, terminal: Terminal, admin: Visitor, student: Visitor
) -> None:
    small.start()
    kill_from_within(small, server, terminal)
    wait_until(lambda: not small.is_known, "the hub has noticed", 10, 0.1)
    done = terminal.run("servers", "logs", small.name)
    assert "Your server has stopped, because its program was ended by a signal (SIGKILL)." in done.stdout
    assert MARK in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    known = terminal.ask("servers", "logs", small.name, "--lines", "2")
    assert (known["why"], len(known["lines"])) == ("itself", 2)
    assert MARK in server("logs", "hub")
    assert MARK in admin.get(f"/hub/server-log/{small.name}").text
    assert f'href="/hub/server-log/{small.name}"' in admin.get("/hub/authorize").text
    assert MARK in small.visitor.get(f"/hub/server-log/{small.name}").text
    assert student.get(f"/hub/server-log/{small.name}").status_code == 404
    forged = small.visitor.web.get(f"{small.base}api/classroom/notice", headers={"X-Classroom-Ticket": "forged"})
    assert (forged.status_code, forged.json()) == (424, {"message": "This server does not run."})
    assert api(student, "GET", f"classroom/servers/{small.name}/ending").status_code in {403, 404}


def test_the_log_of_a_start_that_failed_can_be_read_and_ends_with_the_account(
    reload: Callable[[dict[str, Any]], None],
    new_student: Callable[[], Server],
    server: Verb,
    terminal: Terminal,
) -> None:
    image = f"classroom-fails:{MARK}"
    made = server("docker", "create", student_image(server)).strip()
    server("docker", "commit", f"--change=CMD {failing(MARK)}", made, image)
    server("docker", "rm", made)
    reload({"student": {"image": image}})
    mine = new_student()
    with pytest.raises(CodeError, match="The server stopped at once"):
        mine.start()
    done = terminal.run("servers", "logs", mine.name)
    assert "Your server could not start. The server stopped at once." in done.stdout
    assert "exit code 3" in done.stdout
    assert MARK in done.stdout
    assert terminal.run("users", "remove", mine.name, "--yes").returncode == 0
    assert terminal.run("servers", "logs", mine.name).returncode == 1
    server("docker", "rmi", image)


def failing(mark: str) -> str:
    return f'["sh", "-c", "echo it fails, because {mark}; exit 3"]'
