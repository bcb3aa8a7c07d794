"""Culling of idle servers: busy servers keep running, and files stay.

All students of this file begin together, so that the tests wait for the same half minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from behaviour.deployment import student_image
from behaviour.people import log_in
from behaviour.servers import CodeError, Kernel, Server
from support.waiting import assert_stays, wait_until

IDLE = 24  # seconds
KERNEL_IDLE = 10
EVERY = 3
FOREIGN = "classroom-tests-foreign:1"
# The hub gets reports every IDLE / 4 and records them with a resolution of IDLE / 4; the machine may be slow.
BOUND = 3 * IDLE

pytestmark = pytest.mark.timeout(240)


@dataclass
class Room:
    """Students who began together."""

    tab: Server
    page: Page
    """Of `tab`'s student, who leaves it open."""
    idle: Server
    busy: Server
    cell: Kernel
    message: str
    began: float
    connected: Server
    """Its kernel is idle, and `socket` is connected to it."""
    socket: Kernel
    foreign: Server
    """Of an image with JupyterHub's own server, as those of the Jupyter Docker Stacks; its cell prints for a while."""


def _make_foreign_image(server: Callable[..., str]) -> None:
    """Make an image with JupyterHub's own server and nothing of ours."""
    script = (
        "rm -r /opt/classroom/lib/python3/site-packages/classroom*; find / -xdev -name classroom-packages.pth -delete"
    )
    made = server("docker", "create", "--user=0", student_image(server), "sh", "-c", script).strip()
    server("docker", "start", "--attach", made)
    changes = ("CMD jupyterhub-singleuser", "USER 1000:100", "LABEL org.classroom.version= org.classroom.key=")
    server("docker", "commit", *(f"--change={change}" for change in changes), made, FOREIGN)
    server("docker", "rm", made)


@pytest.fixture(scope="module")
def room(
    module_reload: Callable[[dict[str, Any]], None],
    new_student: Callable[[], Server],
    browser: Browser,
    url: str,
    server: Callable[..., str],
) -> Iterator[Room]:
    tab, idle, busy, connected, foreign = (new_student() for _ in range(5))
    _make_foreign_image(server)
    module_reload(
        {
            "culling": {"idle": f"{IDLE}s", "kernelIdle": f"{KERNEL_IDLE}s", "every": f"{EVERY}s"},
            "groups": {"stacks": {"members": [foreign.name], "image": FOREIGN}},
        }
    )
    foreign.start()
    with foreign.kernel() as kernel:
        kernel.begun(
            kernel.send(f"import time\nfor _ in range({7 * IDLE // 2}): print('-', flush=True); time.sleep(1)")
        )
    tab.start()
    page = browser.new_context(base_url=url).new_page()
    _open_lab(page, tab)
    idle.start()
    idle.write("letter.txt", "kept")
    busy.start()
    cell = busy.kernel()
    message = cell.send(f"import time; time.sleep({3 * IDLE}); print('done')")
    began = time.monotonic()
    connected.start()
    socket = connected.kernel()
    socket.run("x = 1")
    assert tab.is_known
    assert idle.is_known
    yield Room(tab, page, idle, busy, cell, message, began, connected, socket, foreign)
    page.context.close()
    socket.socket.close()
    if foreign.is_known:
        foreign.stop()
    server("docker", "rmi", "--force", FOREIGN)


def _open_lab(page: Page, mine: Server) -> None:
    log_in(page, mine.name, next_url=f"{mine.base}lab")
    page.locator(".jp-LauncherCard, .jp-Notebook").first.wait_for(timeout=60_000)


def test_an_idle_kernel_is_shut_down_though_a_tab_is_connected_to_it(room: Room) -> None:
    wait_until(lambda: room.connected.get("api/kernels").json() == [], "the kernel is gone", KERNEL_IDLE + 30)
    assert room.connected.is_known


def test_an_abandoned_open_tab_is_culled_and_the_page_says_so(room: Room, contexts: list[BrowserContext]) -> None:
    contexts.append(room.page.context)

    wait_until(lambda: not room.tab.is_known, "the server is stopped", BOUND)
    # JupyterLab's start makes some requests; later ones are polls.
    later = "e => e.name.includes('/api/') && e.startTime > 10000"
    polls = room.page.evaluate(f"performance.getEntriesByType('resource').filter({later}).length")
    assert polls > 0, "the tab sent no request, so the test is void"
    room.page.goto(f"{room.tab.base}lab")
    expect(room.page.get_by_role("heading", name="Your server is not running")).to_be_visible()
    assert not room.tab.is_known


def test_an_idle_server_is_culled_and_its_files_stay(room: Room) -> None:
    wait_until(lambda: not room.idle.is_known, "the server is stopped", BOUND)
    room.idle.start()
    assert room.idle.read("letter.txt") == "kept"
    room.idle.stop()


def test_a_cell_that_is_silent_for_a_minute_gives_its_output(room: Room) -> None:
    # Many proxies close connections that are silent for a minute.
    assert 3 * IDLE > 65
    assert room.cell.result(room.message, bound=3 * IDLE + 30) == "done\n"


def test_a_server_with_a_busy_silent_cell_is_not_culled(room: Room) -> None:
    assert time.monotonic() - room.began > 2 * IDLE
    assert room.busy.is_known


def test_a_server_of_a_foreign_image_is_not_culled_at_work(room: Room) -> None:
    assert time.monotonic() - room.began > 2 * IDLE
    assert room.foreign.is_known


def test_a_server_whose_cell_has_ended_is_culled(room: Room) -> None:
    room.cell.socket.close()
    wait_until(lambda: not room.busy.is_known, "the server is stopped", BOUND)
    wait_until(lambda: not room.foreign.is_known, "the server of a foreign image is stopped", BOUND)


def test_a_server_that_is_too_old_is_stopped_even_when_busy(
    reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server]
) -> None:
    reload({"culling": {"idle": "1h", "kernelIdle": "1h", "maxAge": "15s", "every": f"{EVERY}s"}})
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        kernel.send("while True: pass")
        wait_until(lambda: not mine.is_known, "the server is stopped", 60)


def test_without_culling_an_idle_server_stays(
    reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server], server: Callable[..., str]
) -> None:
    reload({"culling": {"enable": False, "idle": "1s", "every": "1s"}})
    mine = new_student()
    mine.start()
    assert "idle_culler" not in server("exec", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert_stays(lambda: mine.is_known, "the hub knows the server", 10)
    with mine.kernel() as kernel, pytest.raises(CodeError):
        kernel.run("raise SystemError")
    mine.stop()
