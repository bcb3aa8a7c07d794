"""`classroom servers`: students' servers at the terminal."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import pytest

from behaviour.servers import Server
from behaviour.terminal import Terminal


def test_the_list_has_memory_cpu_and_start_of_each_server(terminal: Terminal, mine: Server) -> None:
    with mine.kernel() as kernel:
        kernel.run("held = bytearray(200_000_000)")
        [found] = [row for row in terminal.ask("servers", "list") if row["name"] == mine.name]
        kernel.end()
    assert (found["state"], found["gpus"]) == ("running", [])
    assert 200_000_000 < found["memory"] < found["memory_limit"]
    assert 0 <= found["cpus"] <= 2 * (os.cpu_count() or 1)
    shown = terminal.run("servers", "list").stdout
    assert mine.name in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.attack(61)
def test_the_log_is_limited_and_has_no_control_characters(
    terminal: Terminal, mine: Server, server: Callable[..., str]
) -> None:
    container = server("docker", "ps", "--quiet", "--filter", f"label=org.classroom.user={mine.name}").strip()
    mark = uuid.uuid4().hex
    script = f"open('/proc/1/fd/2', 'w').write('\\x1b]0;title\\x07\\x1b[31m{mark}\\n')"
    server("docker", "exec", container, "python", "-c", script)
    done = terminal.run("servers", "logs", mine.name, "--lines", "3")
    assert mark in done.stdout
    assert len(done.stdout.splitlines()) <= 3
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert terminal.run("servers", "logs", "nobody-here").returncode == 1


def test_servers_are_stopped_by_name_or_all_at_once(terminal: Terminal, new_student: Callable[..., Server]) -> None:
    one, other = new_student(), new_student()
    one.start()
    assert terminal.run("servers", "stop", one.name).stdout == f"Stopped: {one.name}.\n"
    assert not one.is_known
    assert terminal.run("servers", "stop", one.name).stdout == f"{one.name}: has no server.\n"
    one.start()
    other.start()
    assert set(terminal.ask("servers", "stop", "--all")["changed"]) >= {one.name, other.name}
    assert not one.is_known
    assert not other.is_known
    assert terminal.run("servers", "list").stdout.endswith("No server runs.\n")


def test_stop_needs_names_or_all(terminal: Terminal) -> None:
    assert terminal.run("servers", "stop").returncode == 2
    assert terminal.run("servers", "stop", "--all", "somebody").returncode == 2
