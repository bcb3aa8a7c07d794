"""Full disk of the hub: each page says so, work goes on, nothing is lost, and all works again when there is space.

The tests of this file share one full disk. The last one frees space.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from behaviour.deployment import read_settings
from behaviour.people import PASSWORD, Visitor, api, is_waiting, page_messages
from behaviour.servers import Kernel, Server
from behaviour.terminal import Terminal
from support.waiting import wait_until

Verb = Callable[..., str]
Visit = Callable[..., Visitor]

IDLE = 12  # seconds
WORDS = "The disk is full"

pytestmark = pytest.mark.timeout(240)


@dataclass
class Disk:
    """The hub's state directory on a small file system."""

    server: Verb
    directory: str
    at_work: Kernel
    """A student's kernel that has been busy since before the disk was full."""
    message: str
    stopped: Server
    """A student without a running server."""
    full_since: float = 0.0

    def fill(self) -> None:
        # The second one takes what is left of the last page.
        filling = "cat /dev/zero > {0}/filler; head -c 4096 /dev/zero > {0}/filler2; true"
        self.server("exec", "sh", "-c", filling.format(self.directory) + " 2> /dev/null")
        self.full_since = time.monotonic()

    def free(self) -> None:
        self.server("exec", "sh", "-c", f"rm -f {self.directory}/filler*")


def _shell(server: Verb, script: str, *words: str) -> None:
    server("exec", "sh", "-ec", script, "sh", *words)


@pytest.fixture(scope="module")
def disk(
    server: Verb, module_reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server]
) -> Iterator[Disk]:
    state = str(read_settings(server)["paths"]["state"])
    module_reload({"culling": {"idle": f"{IDLE}s", "every": "2s"}})
    mine, stopped = new_student(), new_student()
    mine.start()
    server("stop", "hub")
    _shell(server, 'mkdir "$1.small"; mount -t tmpfs -o size=24m,mode=700 tmpfs "$1.small"', state)
    _shell(server, 'cp -a "$1/." "$1.small"; mount --bind "$1.small" "$1"', state)
    server("start", "hub")
    with mine.kernel() as kernel:
        made = Disk(server, state, kernel, kernel.send("import time; time.sleep(600)"), stopped)
        made.fill()
        yield made
        kernel.end()
    server("stop", "hub")
    _shell(server, 'umount "$1"; rm -f "$1.small"/filler*', state)
    _shell(server, 'cp -a "$1.small/." "$1"; umount "$1.small"; rmdir "$1.small"', state)
    server("start", "hub")


def test_a_student_with_the_right_password_is_logged_in_or_reads_why_not(disk: Disk, visit: Visit) -> None:
    visitor = visit()
    answer = visitor.sign_in(disk.stopped.name)
    assert visitor.is_signed_in or WORDS in answer.text, f"{answer.status_code} {answer.url} {page_messages(answer)}"


@pytest.mark.usefixtures("disk")
def test_a_form_says_that_nothing_was_saved(visit: Visit, admin: Visitor, name: str) -> None:
    answer = visit().sign_up(name)
    assert answer.status_code == 507
    assert WORDS in answer.text
    assert "instructor" in answer.text
    assert "Traceback" not in answer.text
    assert not is_waiting(admin, name)
    assert visit().get("/hub/login").status_code == 200, "the next page fails for the same reason"


@pytest.mark.usefixtures("disk")
def test_an_endpoint_says_that_nothing_was_saved(admin: Visitor) -> None:
    for path, body in (("users/teacher/tokens", {"note": "mine"}), ("classroom/announcement", None)):
        answer = api(admin, "POST" if body else "PUT", path, body or {"text": "Welcome"})
        assert (answer.status_code, WORDS in answer.json()["message"]) == (507, True), answer.text


@pytest.mark.usefixtures("disk")
def test_the_command_says_what_to_do_and_has_an_exit_status_for_it(terminal: Terminal) -> None:
    done = terminal.run("users", "add", f"s-{uuid.uuid4().hex[:8]}")
    assert done.returncode == 5, done.stdout + done.stderr
    assert WORDS in done.stderr
    assert "Free space" in done.stderr
    assert "no restart" in done.stderr
    assert terminal.run("users", "list").returncode == 0


def test_a_start_that_cannot_be_recorded_says_so(disk: Disk) -> None:
    answer = disk.stopped.visitor.get(f"/hub/spawn/{disk.stopped.name}")
    assert WORDS in answer.text, f"{answer.status_code} {answer.url} {answer.text[-3000:]}"
    assert not disk.stopped.is_known


def test_passwords_cannot_be_guessed_without_limit(disk: Disk, visit: Visit) -> None:
    visitor = visit()
    tries = [visitor.sign_in(disk.stopped.name, f"wrong password {number}").status_code for number in range(6)]
    assert tries == [507] * 5 + [429]
    assert visitor.sign_in(disk.stopped.name).status_code == 429, "the right password is an oracle"


def test_a_busy_server_is_not_stopped_as_idle(disk: Disk) -> None:
    wait_until(lambda: time.monotonic() - disk.full_since > 2 * IDLE, "an idle server would be stopped", 2 * IDLE)
    assert disk.at_work.server.is_known
    assert disk.at_work.server.get("api/kernels").json()[0]["execution_state"] == "busy"


def test_a_hub_that_cannot_start_says_so_and_servers_go_on(disk: Disk) -> None:
    with pytest.raises(AssertionError) as failed:
        disk.server("restart", "hub")
    assert f"The hub cannot start. {WORDS}" in str(failed.value)
    assert "Traceback" not in disk.server("logs", "hub").rpartition("The hub cannot start")[2]
    disk.at_work.reconnect()


def test_everything_works_when_there_is_space(disk: Disk, visit: Visit, admin: Visitor, terminal: Terminal) -> None:
    disk.free()
    disk.server("start", "hub")
    name = f"s-{uuid.uuid4().hex[:8]}"
    visitor = visit()
    visitor.sign_up(name)
    admin.act("approve", name)
    visitor.sign_in(name)
    assert visitor.is_signed_in
    disk.stopped.visitor.sign_in(disk.stopped.name, PASSWORD)
    disk.stopped.start()
    disk.stopped.stop()
    assert disk.at_work.server.is_known
    events = [(event["action"], event.get("user")) for event in terminal.ask("audit")]
    assert ("login", name) in events
    assert ("login", disk.stopped.name) in events
