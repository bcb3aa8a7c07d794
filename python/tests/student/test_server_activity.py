"""Activity of a student's server, by which the hub stops servers and the server stops kernels."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect

from student.student_site import execute
from support.waiting import assert_stays, wait_unchanged, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from student.student_site import Channels, Kernel, Server

REPORTS = timedelta(seconds=3)  # three reports of activity
QUIET = REPORTS.total_seconds()


def poll_as_an_open_tab_does(server: Server, kernel: Kernel, rounds: int) -> None:
    """Send what JupyterLab 4.6 in Chromium sends every ten seconds with nobody at it, and at a reconnect."""
    for _ in range(rounds):
        for path in (
            "api/contents?content=1",
            "api/kernels",
            "api/sessions",
            "api/terminals",
            "api/me",
            "api/kernelspecs",
        ):
            server.get(path)
        workspace = {"data": {}, "metadata": {"id": "default"}}
        server.request("PUT", "lab/api/workspaces/default", json=workspace).raise_for_status()
        with kernel.channels() as channels:
            channels.reply(channels.send("kernel_info_request", {}))
            channels.reply(channels.send("comm_info_request", {}))
            channels.reply(
                channels.send("debug_request", {"seq": 1, "type": "request", "command": "debugInfo"}, "control")
            )


@contextmanager
def silent_cell(kernel: Kernel, channels: Channels) -> Iterator[Callable[[], str]]:
    """Run a cell without output until the block ends, or until it calls the function that it gets.

    The function returns the output of the cell at its end.
    """
    go = kernel.server.home / f"go-{secrets.token_hex(4)}"
    code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.1)\nprint('done')"
    request = channels.send("execute_request", execute(code))
    wait_until(lambda: kernel.model["execution_state"] == "busy", "the cell runs")

    def end() -> str:
        go.touch()
        return channels.result(request)

    try:
        yield end
    finally:
        go.touch()


@pytest.fixture
def settled(server: Server) -> Server:
    """Return the shared server, after all activity of earlier tests is reported."""
    wait_unchanged(lambda: server.last_activity, "the server is idle", QUIET)
    return server


def reported_after(server: Server, moment: datetime) -> None:
    """Wait for a report of activity that is later than a moment."""
    wait_until(lambda: server.last_activity > moment, f"activity after {moment:%X} is reported", 30)


def assert_no_report(server: Server, before: datetime) -> None:
    """Assert that the hub hears of no activity later than `before`, for as long as several reports take."""
    assert_stays(lambda: server.last_activity == before, "the server reports no activity", QUIET)


def test_an_unattended_open_tab_does_not_count(settled: Server) -> None:
    with settled.kernel() as kernel:
        kernel.run("1")
        before = wait_unchanged(lambda: settled.last_activity, "the cell's end is reported", QUIET)
        poll_as_an_open_tab_does(settled, kernel, 8)
        assert_no_report(settled, before)


def test_a_silent_cell_counts_for_as_long_as_it_runs(server: Server) -> None:
    with server.kernel() as kernel, kernel.channels() as channels, silent_cell(kernel, channels) as end:
        reported_after(server, datetime.now(UTC) + 2 * REPORTS)
        end()
        assert kernel.model["execution_state"] == "idle"


def test_a_cell_that_runs_is_busy_whatever_else_the_kernel_answers(server: Server) -> None:
    with server.kernel() as kernel, kernel.channels() as channels:
        subshell = channels.reply(channels.send("create_subshell_request", {}, "control"))["content"]["subshell_id"]
        with silent_cell(kernel, channels) as end:
            # A widget's messages go over a subshell; its "idle" comes while the cell still runs.
            channels.result(channels.send("execute_request", execute("1"), subshell_id=subshell))
            channels.reply(channels.send("list_subshell_request", {}, "control"))
            assert kernel.model["execution_state"] == "busy"
            end()
        wait_until(lambda: kernel.model["execution_state"] == "idle", "the cell has ended", 20)


def test_a_restarted_kernel_forgets_earlier_requests(server: Server) -> None:
    with server.kernel() as kernel, kernel.channels() as channels:
        channels.send("execute_request", execute("import time; time.sleep(600)"))
        wait_until(lambda: kernel.model["execution_state"] == "busy", "the cell runs")
        server.request("POST", f"api/kernels/{kernel.id}/restart").raise_for_status()
        wait_until(lambda: kernel.model["execution_state"] == "idle", "the kernel is idle", 20)


def test_a_kernel_that_died_in_a_cell_becomes_idle(server: Server) -> None:
    with server.kernel() as kernel, kernel.channels() as channels:
        channels.send("execute_request", execute("import os; os.kill(os.getpid(), 9)"))
        wait_until(lambda: "restarted" in server.hub.log, "the kernel is restarted")
        wait_until(lambda: kernel.model["execution_state"] == "idle", "the kernel is idle", 20)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_a_change_of_a_file_counts(settled: Server, method: str) -> None:
    (settled.home / "change.txt").write_text("x")
    before = settled.last_activity
    body = {
        "PUT": {"type": "file", "format": "text", "content": "y"},
        "PATCH": {"path": "changed.txt"},
        "POST": {"copy_from": "change.txt"},
        "DELETE": None,
    }[method]
    path = "api/contents/" if method == "POST" else "api/contents/change.txt"
    settled.request(method, path, json=body).raise_for_status()
    reported_after(settled, before)


def test_a_refused_change_does_not_count(settled: Server) -> None:
    before = settled.last_activity
    assert settled.request("DELETE", "api/contents/nothing.txt").status_code == 404
    assert_no_report(settled, before)


class Terminal:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = server.request("POST", "api/terminals", json={}).raise_for_status().json()["name"]

    def type(self, text: str) -> str:
        """Type a line and read until it has been carried out."""
        mark = secrets.token_hex(4)
        url = f"{self.server.url.replace('http', 'ws', 1)}terminals/websocket/{self.name}"
        with connect(url, additional_headers=self.server.headers) as socket:
            socket.send(json.dumps(["stdin", f"{text}\necho {mark[:4]}''{mark[4:]}\n"]))
            seen = ""
            while mark not in seen:
                kind, *rest = json.loads(socket.recv(timeout=20))
                seen += rest[0] if kind == "stdout" else ""
        return seen

    def reconnect(self) -> None:
        url = f"{self.server.url.replace('http', 'ws', 1)}terminals/websocket/{self.name}"
        with connect(url, additional_headers=self.server.headers) as socket:
            socket.recv(timeout=20)

    def close(self) -> None:
        self.server.request("DELETE", f"api/terminals/{self.name}")


def test_a_terminal_counts_when_it_prints_or_computes_and_not_by_being_open(settled: Server) -> None:
    terminal = Terminal(settled)
    try:
        before = settled.last_activity
        assert "bash" in terminal.type("echo $0")
        reported_after(settled, before)

        before = wait_unchanged(lambda: settled.last_activity, "the last output is reported", QUIET)
        for _ in range(3):
            terminal.reconnect()
        assert_no_report(settled, before)

        # Silent, in the background, without a tab.
        terminal.type("timeout 60 sh -c 'while :; do :; done' > /dev/null 2>&1 &")
        reported_after(settled, datetime.now(UTC) + REPORTS)
        terminal.type("kill $!")
    finally:
        terminal.close()


def test_an_idle_kernel_is_stopped_with_its_tab_open_and_a_busy_one_is_not(spawn: Callable[[str], Server]) -> None:
    server = spawn("impatient")  # idle kernels are stopped after 4 seconds
    idle, busy = server.start_kernel(), server.start_kernel()
    idle.run("1")
    with idle.channels(), busy.channels() as channels:
        kernels = lambda: {kernel["id"] for kernel in server.get("api/kernels").json()}  # noqa: E731
        with silent_cell(busy, channels) as end:
            wait_until(lambda: idle.id not in kernels(), "the idle kernel is stopped", 30)
            assert_stays(lambda: busy.id in kernels(), "the busy kernel runs", 5)
            assert end() == "done\n"
        wait_until(lambda: busy.id not in kernels(), "the other kernel is stopped when it is idle too", 30)
