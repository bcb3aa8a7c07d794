"""Execution of a student's code in the student's server, with its output through all parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from behaviour import containers
from behaviour.people import Visitor, api, log_in
from behaviour.servers import CodeError, Kernel, Server


def test_a_cell_runs_and_its_output_comes_back(kernel: Kernel) -> None:
    assert kernel.run("print('six times seven'); 6 * 7") == "six times seven\n42"


def test_a_cell_that_fails_shows_its_error(kernel: Kernel) -> None:
    with pytest.raises(CodeError, match="ZeroDivisionError: division by zero"):
        kernel.run("1 / 0")
    assert kernel.run("1 + 1") == "2"


def test_a_kernel_remembers_between_cells_and_connections(kernel: Kernel) -> None:
    kernel.run("x = 41")
    kernel.reconnect()
    assert kernel.run("x + 1") == "42"


def test_a_shell_command_runs(kernel: Kernel) -> None:
    assert kernel.run("!id -u; id -g; pwd").split() == ["1000", "100", "/home/jovyan"]


def test_a_cell_that_prints_two_megabytes_shows_all_of_it(kernel: Kernel) -> None:
    assert len(kernel.run("for _ in range(2000):\n    print('x' * 999)")) == 2_000_000


def test_a_cell_with_endless_output_is_throttled_and_can_be_interrupted(mine: Server, kernel: Kernel) -> None:
    cell = kernel.send("while True: print('x' * 10_000)")
    kernel.begun(cell)
    assert mine.post(f"api/kernels/{kernel.id}/interrupt").status_code == 204
    with pytest.raises(CodeError, match="KeyboardInterrupt"):
        kernel.result(cell, bound=30)
    assert kernel.run("1 + 1") == "2"


def test_an_endless_cell_can_be_interrupted(mine: Server, kernel: Kernel) -> None:
    cell = kernel.send("print('begun', flush=True)\nwhile True: pass")
    assert kernel.begun(cell) == "begun\n"
    assert mine.post(f"api/kernels/{kernel.id}/interrupt").status_code == 204
    with pytest.raises(CodeError, match="KeyboardInterrupt"):
        kernel.result(cell, bound=20)


@pytest.mark.parametrize("path", ["lab", "api/contents", "api/kernels", "files/Welcome.ipynb"])
def test_another_student_cannot_read_from_a_students_server(path: str, mine: Server, student: Visitor) -> None:
    assert mine.get(path).status_code == 200
    assert student.get(f"{mine.base}{path}").status_code == 403


def test_a_students_server_requires_a_login(mine: Server, visit: Callable[..., Visitor]) -> None:
    assert visit().get(f"{mine.base}api/contents").status_code == 403


@pytest.mark.attack(24)
def test_another_student_cannot_run_code_in_a_students_kernel(mine: Server, kernel: Kernel, student: Visitor) -> None:
    student.get(f"{mine.base}lab")
    with pytest.raises(InvalidStatus) as refused:
        Kernel(Server(student, mine.name), kernel.id)
    assert refused.value.response.status_code == 403


def test_the_kernel_runs_the_python_of_the_image(kernel: Kernel) -> None:
    assert kernel.ask("__import__('sys').executable") == "/opt/classroom/bin/python"


def test_a_message_of_the_size_of_an_upload_reaches_the_kernel(kernel: Kernel) -> None:
    """A widget for uploads sends a file as one message."""
    assert kernel.run(f"print(len('{'x' * 50_000_000}'))", 120) == "50000000\n"


def test_a_message_above_the_limit_is_refused_in_words_and_the_kernel_stays_connected(
    mine: Server, kernel: Kernel, browser: Browser, url: str, contexts: list[BrowserContext]
) -> None:
    contexts.append(browser.new_context(base_url=url))
    page = contexts[-1].new_page()
    log_in(page, mine.name, next_url=f"{mine.base}lab")
    page.locator(".jp-LauncherCard").first.wait_for(timeout=60_000)
    open_and_send = """async ([path, size]) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}${path}`);
        await new Promise((resolve) => { socket.onopen = resolve; });
        socket.send(new ArrayBuffer(size));
        await new Promise((resolve) => setTimeout(resolve, 500));
        return socket.readyState;
    }"""
    path = f"{mine.base}api/kernels/{kernel.id}/channels?session_id=large"
    is_open = page.evaluate("WebSocket.OPEN")
    assert page.evaluate(open_and_send, [path, 200 * 1024**2 + 1]) == is_open
    expect(page.get_by_text("This is too large for a notebook: 201 MB").first).to_be_visible()
    expect(page.get_by_text("Upload the file in the file browser").first).to_be_visible()


@pytest.mark.parametrize("way", ["header", "address"])
def test_an_editor_outside_the_browser_runs_code_with_a_token(way: str, mine: Server, url: str) -> None:
    """JupyterLab's client library, which editors use, has the token in the address of a websocket."""
    token = api(mine.visitor, "POST", f"users/{mine.name}/tokens", {"note": "editor"}).json()["token"]
    header = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=f"{url}{mine.base}", headers=header, timeout=60) as editor:
        assert editor.get("api/status").status_code == 200
        identifier = editor.post("api/kernels", json={"name": "python3"}).json()["id"]
        address = f"{url.replace('http', 'ws')}{mine.base}api/kernels/{identifier}/channels?session_id=editor"
        query, headers = (f"&token={token}", {}) if way == "address" else ("", header)
        with connect(address + query, additional_headers=headers, open_timeout=60) as socket:
            names = {"msg_id": "1", "session": "editor", "username": "", "version": "5.3"}
            request = {"header": names | {"msg_type": "kernel_info_request"}, "parent_header": {}, "metadata": {}}
            socket.send(json.dumps(request | {"channel": "shell", "content": {}}))
            while json.loads(socket.recv(60))["msg_type"] != "kernel_info_reply":
                pass
        assert editor.delete(f"api/kernels/{identifier}").status_code == 204
    assert httpx.get(f"{url}{mine.base}api/status?token={token}").status_code == 403


def test_the_first_notebook_is_of_today(mine: Server) -> None:
    assert mine.get("api/contents/Welcome.ipynb", params={"content": 0}).json()["last_modified"] > "2026"


def test_the_logs_have_no_warning_about_what_upstream_removes(server: Callable[..., str], mine: Server) -> None:
    logs = {part: server("logs", part) for part in ("hub", "proxy")}
    logs["server"] = server("docker", "logs", containers.identifier(server, mine.name))
    for part, text in logs.items():
        assert not re.findall(r".*(?:[Dd]eprecat|is found in both|was found in both).*", text), part
