"""Idle GPUs: notice and stop of idle students, and no stop without measurements.

The tests write the sample in the format of `classroom gpus sample`, because the machine of the tests has no driver.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from behaviour.gpu_class import Class, start
from behaviour.people import Visitor
from behaviour.servers import Server
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

PHONE, WIDE = (390, 844), (1280, 800)
CARD = {"uuid": "GPU-1", "memory_used": 2 * 10**9, "memory_total": 80 * 10**9, "use": 0.25}


@pytest.fixture
def measure(room: Class) -> Iterator[Callable[..., str]]:
    """Write a current sample with the idle seconds of each student; return the file."""
    settings = json.loads(room.server("exec", "cat", room.server("settings").strip()))
    file = str(PurePosixPath(settings["paths"]["runtime"]) / "gpu-sample.json")

    def write(*, watched: float = 3600, ago: float = 0, card: str = "Test Card", **idle: float) -> str:
        containers = {_container(room, name): {"idle": seconds, "memory": 0} for name, seconds in idle.items()}
        cards = [CARD | {"index": "0", "name": card}]
        sample = {
            "version": 1,
            "taken": time.time() - ago,
            "watched": watched,
            "cards": cards,
            "containers": containers,
        }
        room.server("exec", "sh", "-c", 'printf %s "$1" > "$2.new"; mv "$2.new" "$2"', "sh", json.dumps(sample), file)
        return file

    yield write
    room.server("exec", "rm", "-f", file)


def _container(room: Class, name: str) -> str:
    shown = room.server("docker", "ps", "--quiet", "--no-trunc", "--filter", f"label=org.classroom.user={name}")
    return shown.strip()


def notice(student: Server) -> Any:
    return student.get("api/classroom/notice").json()


def test_an_idle_student_of_a_group_gets_notice_and_is_stopped_and_a_busy_one_is_not(
    room: Class, measure: Callable[..., str]
) -> None:
    idler, worker, other = (room.student() for _ in range(3))
    course = {"members": [idler.name, worker.name], "gpu": {"idle": "20s"}}
    everyone = {"devices": ["0", "1", "2"], "idle": "1h", "notice": "15s"}
    room.rules("exclusive", {"course": course}, samples=measure(), **everyone)
    for student in (idler, worker, other):
        start(student)
        student.open()
    idle = {idler.name: 3000, worker.name: 0, other.name: 3000}
    measure(**idle)
    wait_until(lambda: notice(idler)["reason"], "the student gets a notice", 30)
    assert notice(idler)["reason"].startswith("Nothing has run on your GPU for")
    measure(ago=3600, **idle)
    wait_until(lambda: notice(idler)["reason"] is None, "an old sample withdraws the notice", 20)
    measure(**idle)
    wait_until(lambda: notice(idler)["reason"], "the student gets another notice", 20)
    measure(**idle | {idler.name: 0})
    wait_until(lambda: notice(idler)["reason"] is None, "use of the GPU withdraws the notice", 20)
    measure(**idle)
    wait_until(lambda: not idler.is_known, "the server is stopped", 40)
    page = idler.visitor.get(f"/hub/user/{idler.name}/lab").text
    assert "Your server was stopped. Nothing had run on your GPU for" in page
    assert (notice(worker)["reason"], notice(other)["reason"]) == (None, None)
    assert worker.is_known
    assert other.is_known, "a student outside the group has an hour"


def test_the_instructor_sees_the_measurements(room: Class, measure: Callable[..., str]) -> None:
    room.rules("exclusive", devices=["0"], samples=measure())
    row = room.report()["rows"][0]
    assert (row["model"], row["memory_used"], row["use"]) == ("Test Card", 2 * 10**9, 0.25)


def test_a_student_without_a_free_gpu_sees_the_measurements(room: Class, measure: Callable[..., str]) -> None:
    room.rules("exclusive", devices=["0"], samples=measure())
    holder, other = room.student(), room.student()
    start(holder)
    measure()
    page = other.visitor.get(f"/hub/spawn/{other.name}").text
    assert "GPU 0, Test Card" in page
    assert "(1.9G of 74.5G in use, busy 25% of the time)" in page


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_no_gpu_page_scrolls_sideways(  # noqa: PLR0917 - fixtures
    room: Class,
    measure: Callable[..., str],
    browser: Browser,
    contexts: list[BrowserContext],
    admin: Visitor,
    size: tuple[int, int],
) -> None:
    room.rules("exclusive", perStudent=4, samples=measure())
    holder, other = room.student(), room.student()
    start(holder)
    holder.open()
    measure(card="NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition")

    def window(visitor: Visitor) -> Page:
        contexts.append(browser.new_context(base_url=visitor.url, viewport={"width": size[0], "height": size[1]}))
        kept = [{"name": c.name, "value": c.value or "", "url": visitor.url + c.path} for c in visitor.web.cookies.jar]
        contexts[-1].add_cookies(kept)
        return contexts[-1].new_page()

    def fits(page: Page, title: str) -> None:
        page.wait_for_load_state()
        if shots := os.environ.get("CLASSROOM_SCREENSHOTS"):
            page.screenshot(path=Path(shots) / f"{title}-{size[0]}.png", full_page=True)
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{title}: {too_wide} pixels too wide"

    page = window(holder.visitor)
    for path in ("home", "token"):
        page.goto(f"/hub/{path}")
        fits(page, f"holder-{path}")
    page = window(other.visitor)
    page.goto(f"/hub/user/{other.name}/lab")
    fits(page, "not-running")
    page.goto("/hub/home")
    fits(page, "home")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="All GPUs are in use.").wait_for()
    fits(page, "all-in-use")
    page.get_by_role("button", name="Join the queue").click()
    page.get_by_text("You are #1 of 1 in the queue.").wait_for()
    fits(page, "in-line")
    instructor = window(admin)
    instructor.goto("/hub/gpus")
    fits(instructor, "gpus")
    page.get_by_role("button", name="Start without a GPU").click()
    page.wait_for_url("**/hub/spawn-pending/**")
    fits(page, "starting")
