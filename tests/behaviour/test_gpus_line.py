"""GPU queue: first come, first served; live on the page, kept through a restart, with offers that expire."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from behaviour.gpu_class import Class, refused, start, start_without
from behaviour.people import Visitor, api, log_in
from behaviour.servers import Server
from behaviour.terminal import Terminal
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """Open a browser window; an error of a page's script fails the test."""
    errors: list[str] = []
    context = browser.new_context(base_url=url)
    made = context.new_page()
    made.set_default_timeout(60_000)
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert errors == []


def stands(student: Server) -> Any:
    answer = student.visitor.get(f"/hub/gpu-line/{student.name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def join(student: Server) -> str:
    answer = student.visitor.post(f"/hub/gpu-line/{student.name}", {"action": "join"})
    assert answer.status_code == 200, answer.text
    return answer.text


_OFFERS = """
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1], timeout=30).execute("SELECT count(*) FROM classroom_offers").fetchone())
"""


def place(student: Server) -> int | None:
    found = stands(student)
    return int(found["place"]) if found["waiting"] else None


def test_in_the_browser_a_student_waits_through_a_restart_and_the_server_starts_by_itself(
    room: Class, page: Page, admin: Visitor, admin_credentials: tuple[str, str]
) -> None:
    room.rules("exclusive", devices=["0"])
    first, _ = room.started()
    waiting, later = room.student(), room.student()
    log_in(page, waiting.name)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="All GPUs are in use.")).to_be_visible()
    expect(page.get_by_role("cell", name="GPU 0")).to_be_visible()
    expect(page.get_by_text("in use for 0 min")).to_be_visible()
    page.get_by_role("button", name="Join the queue").click()
    expect(page.get_by_text("You are #1 of 1 in the queue.")).to_be_visible()
    join(later)
    expect(page.get_by_text("You are #1 of 2 in the queue.")).to_be_visible(timeout=20_000)
    room.server("kill", "hub")
    room.server("start", "hub")
    assert (place(waiting), place(later)) == (1, 2)
    first.stop()
    page.wait_for_url(f"**/user/{waiting.name}/lab**", timeout=120_000)
    assert room.sees(waiting) == "0"
    assert place(later) == 1
    told = api(admin, "POST", f"users/{admin_credentials[0]}/tokens", {"scopes": ["read:metrics"], "expires_in": 300})
    assert told.status_code == 201, told.text
    script = (
        "import sys, urllib.request as web; "
        "asked = web.Request(sys.argv[1], headers={'Authorization': 'token ' + sys.argv[2]}); "
        "print(web.urlopen(asked).read().decode())"
    )
    hub = "http://127.0.0.1:8081/hub/metrics"
    wanted = [
        'classroom_gpu_leases{device="0"} 1.0',
        "classroom_gpu_waiting 1.0",
        "classroom_gpu_wait_seconds_count 1.0",
    ]

    def shown() -> bool:
        text = room.server("exec", "python3", "-c", script, hub, told.json()["token"])
        return all(line in text.splitlines() for line in wanted)

    wait_until(shown, f"the metrics say {wanted}", 40, 2)


def test_leaving_by_the_button_moves_the_others_up(room: Class, page: Page) -> None:
    room.rules("exclusive", devices=["0"])
    room.started()
    leaving, later = room.student(), room.student()
    log_in(page, leaving.name)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Join the queue").click()
    assert "You are #2 of 2 in the queue." in join(later)
    page.get_by_role("button", name="Leave the queue").click()
    page.wait_for_url("**/hub/home")
    assert (place(leaving), place(later)) == (None, 1)
    start_without(later)
    assert place(later) is None
    assert room.sees(later) == "none"


def test_nobody_overtakes_and_an_unused_offer_goes_to_the_next_student(room: Class) -> None:
    room.rules("exclusive", devices=["0"], offer="10s")
    first, _ = room.started()
    asleep, awake, newcomer = (room.student() for _ in range(3))
    join(asleep)
    join(awake)
    first.stop()
    page = refused(newcomer)
    assert "All GPUs are in use or offered to students in the queue." in page
    assert "Students ahead of you: 2." in page
    assert not stands(awake)["turn"]
    wait_until(lambda: asleep.is_known, "the hub starts the server of the first student in the queue", 30)
    asleep.wait_ready()
    assert (room.sees(asleep), place(awake)) == ("0", 1)
    wait_until(lambda: awake.is_known, "nobody has opened it, so the next student gets the GPU", 60)
    awake.wait_ready()
    awake.open()
    assert (room.sees(awake), asleep.is_known, place(asleep)) == ("0", False, None)
    words = "It was your turn, but you did not open the server in time. The next student got the GPU."
    for shown in ("/hub/home", f"/hub/spawn/{asleep.name}"):
        assert words in asleep.visitor.get(shown).text
    wait_until(lambda: room.database(_OFFERS) == "0", "an opened server is not stopped again", 30, 1)
    assert awake.is_known


def test_reserved_gpus_are_the_groups_until_the_reservation_is_cancelled(
    room: Class, page: Page, admin: Visitor, terminal: Terminal
) -> None:
    room.rules("exclusive", devices=["0"], notice="10s")
    member, other = room.student(), room.student()
    group = f"lab-{member.name}"
    assert api(admin, "POST", f"groups/{group}", {"users": [member.name]}).status_code == 201
    reserve = ("gpus", "reserve", "1", "--from", "now", "--to", "90m", "--group")
    assert "There is no group elsewhere." in terminal.run(*reserve, "elsewhere").stderr
    done = terminal.run(*reserve, group)
    assert f"1 GPU for group {group}" in done.stdout, done.stderr
    again = terminal.run(*reserve, group)
    assert (again.returncode, "others are reserved for that time" in again.stderr) == (1, True)
    log_in(page, other.name)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="All GPUs are in use or reserved.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"1 GPU is reserved until .*\d+:\d+"))).to_be_visible()
    page.get_by_role("button", name="Join the queue").click()
    expect(page.get_by_text("You are #1 of 1 in the queue.")).to_be_visible()
    room.server("kill", "hub")
    room.server("start", "hub")
    start(member)
    assert room.sees(member) == "0", "a member does not wait in the queue"
    assert group in admin.get("/hub/gpus").text
    member.stop()
    assert not stands(other)["turn"]
    (listed,) = terminal.ask("gpus", "reservations")
    assert (listed["group"], listed["count"], listed["now"]) == (group, 1, True)
    cancelled = terminal.run("gpus", "cancel", str(listed["id"]), "999999")
    assert (cancelled.returncode, cancelled.stdout) == (1, f"Cancelled: {listed['id']}.\n")
    assert "999999: there is no such reservation." in cancelled.stderr
    page.wait_for_url(f"**/user/{other.name}/lab**", timeout=120_000)
    assert room.sees(other) == "0"
    cleared = terminal.run(*reserve, group, "--clear", "--json")
    expect(
        page.get_by_text("Your GPU is reserved for a lecture that begins. This server will be stopped in")
    ).to_be_visible()
    terminal.run("gpus", "cancel", str(json.loads(cleared.stdout)["id"]))
    expect(page.get_by_text("This server will not be stopped.")).to_be_visible()
    assert other.is_known


def test_an_old_lease_ends_after_a_notice_in_the_notebook_with_all_files_saved(room: Class, page: Page) -> None:
    room.rules("exclusive", devices=["0"], longestLease="15s", notice="10s")
    holder, waiting = room.student(), room.student()
    log_in(page, holder.name)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(f"**/user/{holder.name}/lab**", timeout=120_000)
    holder.open()
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
    cell.click()
    page.keyboard.type("unsaved = 'not by me'")
    join(waiting)
    told = page.get_by_text(
        re.compile(
            r"Other students are waiting for a GPU, and you have had yours for .* This server will be stopped in"
        )
    )
    ends = time.monotonic() + 60
    while not told.count():
        stands(waiting)
        assert time.monotonic() < ends, "the notebook says that its server will be stopped"
        page.wait_for_timeout(500)
    wait_until(lambda: "not by me" in holder.read("Welcome.ipynb"), "the typed text is saved", 15)
    assert room.sees(holder) == "0", "the notice comes before the stop"
    # The test sends no request of the page: the hub starts the server by itself.
    wait_until(lambda: waiting.is_known, "the next student gets the GPU", 60)
    waiting.wait_ready()
    assert room.sees(waiting) == "0"
    page.goto(f"/hub/user/{holder.name}/lab")
    expect(
        page.get_by_text("Your server was stopped. Other students were waiting for a GPU, and you had had yours for")
    ).to_be_visible()


def test_a_new_group_with_a_longer_lease_keeps_the_gpu_and_another_lease_ends(room: Class, admin: Visitor) -> None:
    first, other, waiting = (room.student() for _ in range(3))
    group = f"thesis-{first.name}"
    room.rules(
        "exclusive", {group: {"gpu": {"longestLease": "0s"}}}, devices=["0", "1"], longestLease="15s", notice="10s"
    )
    start(first)
    start(other)
    assert api(admin, "POST", f"groups/{group}", {"users": [first.name]}).status_code == 201
    kept, passed = room.sees(first), room.sees(other)
    join(waiting)
    assert stands(waiting)["waiting"], "no server is stopped for a student who closed the page"
    wait_until(lambda: waiting.is_known, "the next student gets a GPU", 60)
    waiting.wait_ready()
    assert (room.sees(waiting), other.is_known) == (passed, False)
    assert room.sees(first) == kept, "their leases are older"


def test_a_reservation_of_a_group_uses_the_groups_own_gpus(room: Class, terminal: Terminal) -> None:
    member, other, late = (room.student() for _ in range(3))
    lab = {"members": [member.name], "gpu": {"devices": ["1", "2"]}}
    room.rules("exclusive", {"lab": lab}, devices=["0", "1"])
    reserve = ("gpus", "reserve", "--from", "now", "--to", "90m", "--group", "lab")
    assert "Only 2 GPUs can be reserved for group lab." in terminal.run(*reserve, "3").stderr
    made = terminal.run(*reserve, "2", "--json")
    assert made.returncode == 0, made.stderr
    try:
        start(other)
        assert room.sees(other) == "0", "the site's first GPU is not for the group"
        assert "All GPUs are in use or reserved." in refused(late)
        start(member)
        assert room.sees(member) == "1"
    finally:
        terminal.run("gpus", "cancel", str(json.loads(made.stdout)["id"]))
    assert "All GPUs are in use." in refused(late)
    member.stop()
    start(late)
    assert room.sees(late) == "1"


CROWD = 200

# Names without accounts: a long queue only costs time in the hub.
_ROWS = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as db:
    for number in range(int(sys.argv[2])):
        db.execute("INSERT INTO classroom_line (name, joined) VALUES (?, datetime('now'))", (f"crowd-{number}",))
    used = "INSERT OR REPLACE INTO classroom_gpu_use (name, day, seconds) VALUES (?, date('now'), 7300)"
    db.execute(used, (sys.argv[3],))
"""
_NO_ROWS = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as db:
    db.execute("DELETE FROM classroom_line WHERE name LIKE 'crowd-%'")
    print(*(name for (name,) in db.execute("SELECT name FROM classroom_gpu_use WHERE seconds > 1")))
"""


def test_a_queue_of_two_hundred_answers_at_once_and_the_least_use_goes_first(
    room: Class, figure: Callable[[str], None]
) -> None:
    room.rules("exclusive", devices=["0"], preferLeastUsed=True, notice="10s")  # the hub checks more often
    holder, _ = room.started()
    busy, idle = room.student(), room.student()
    room.database(_ROWS, str(CROWD), busy.name)
    try:
        join(busy)
        join(idle)
        begin = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(stands, [busy, idle] * 50))
        took = (time.monotonic() - begin) / len(answers)
        figure(f"position in a queue of {CROWD}: one answer takes {1000 * took:.0f} ms, with 4 requests at once")
        assert (answers[-2]["place"], answers[-1]["place"]) == (CROWD + 2, CROWD + 1)
        assert "Yours: 2 h 1 min." in answers[-2]["notes"][0]
        assert took < 0.1
        counted = "the holder's use is counted"
        wait_until(lambda: holder.name in room.database(_NO_ROWS), counted, 45, 2)
        assert place(idle) == 1
    finally:
        room.database(_NO_ROWS)


@pytest.mark.attack(72)
def test_only_the_student_sees_and_changes_the_own_queue_entry(room: Class) -> None:
    room.rules("exclusive", devices=["0"])
    one, other = room.student(), room.student()
    assert one.visitor.get(f"/hub/gpu-line/{other.name}").status_code in {403, 404}
    answer = one.visitor.post(f"/hub/gpu-line/{other.name}", {"action": "join"})
    assert answer.status_code in {403, 404}
    assert one.visitor.get(f"/hub/gpu-line/{one.name}?action=join").json() == {"waiting": False}
    assert one.visitor.post(f"/hub/gpu-line/{one.name}", {"action": "first"}).status_code == 400
    assert api(one.visitor, "GET", f"classroom/notices/{one.name}").json()["reason"] is None
    assert api(one.visitor, "GET", f"classroom/notices/{other.name}").status_code in {403, 404}
    forged = one.visitor.web.post(f"/hub/gpu-line/{one.name}", data={"action": "join"})
    assert forged.status_code == 403
    assert place(one) is None


def test_without_a_queue_the_queue_address_does_not_exist(room: Class) -> None:
    room.rules("none")
    student = room.student()
    assert student.visitor.get(f"/hub/gpu-line/{student.name}").status_code == 404
