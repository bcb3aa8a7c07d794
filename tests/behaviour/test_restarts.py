"""Restarts of each part: no work is lost, and only the engine decides that a server has stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from behaviour.deployment import read_settings
from behaviour.people import Visitor
from behaviour.servers import Kernel, Server
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def work(student: Visitor, name: str, server: Verb) -> Iterator[tuple[Server, Kernel]]:
    """Return a student at work: a kernel that remembers `x`."""
    mine = Server(student, name)
    mine.start()
    with mine.kernel() as kernel:
        kernel.run("x = 41")
        yield mine, kernel
    for part in ("engine", "proxy", "hub", "nginx"):
        server("start", part)
    mine.stop()


def container(server: Verb, name: str) -> dict[str, object]:
    """Return id and state of a student's container, from the engine."""
    label = f"label=org.classroom.user={name}"
    found: str = server("docker", "ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.State}}")
    if not found.strip():
        return {"state": "gone"}
    identifier, state = found.split()
    return {"id": identifier, "state": state}


def still_there(work: tuple[Server, Kernel]) -> None:
    """Assert that the kernel answers and remembers its variable."""
    mine, kernel = work
    wait_until(lambda: mine.get("api/status").status_code == 200, "the server answers again", 30)
    kernel.reconnect()
    assert kernel.run("print(x + 1)") == "42\n"


@pytest.mark.parametrize("part", ["hub", "proxy", "nginx", "engine"])
def test_a_live_kernel_survives_a_restart_of(part: str, work: tuple[Server, Kernel], server: Verb) -> None:
    before = container(server, work[0].name)
    server("restart", part)
    still_there(work)
    assert container(server, work[0].name) == before


@pytest.mark.parametrize("part", ["hub", "proxy", "engine"])
def test_a_live_kernel_survives_the_sudden_death_of(part: str, work: tuple[Server, Kernel], server: Verb) -> None:
    server("kill", part)
    server("start", part)
    still_there(work)


def test_a_cell_continues_while_hub_proxy_and_nginx_restart(work: tuple[Server, Kernel], server: Verb) -> None:
    _, kernel = work
    kernel.send("import time\nfor i in range(100):\n    x = 41\n    time.sleep(0.1)\nopen('done', 'w').write('yes')")
    for part in ("hub", "proxy", "nginx"):
        server("restart", part)
    mine = work[0]
    wait_until(lambda: mine.get("api/contents/done").status_code == 200, "the cell has written its file", 60)
    still_there(work)


def test_a_restarted_proxy_has_its_routes_back_within_five_seconds(work: tuple[Server, Kernel], server: Verb) -> None:
    server("restart", "proxy")
    begin = time.monotonic()
    wait_until(lambda: work[0].get("api/status").status_code == 200, "the route is back", 30, 0.1)
    assert time.monotonic() - begin < 5


def test_a_hub_that_starts_while_the_engine_is_away_ends_no_server(work: tuple[Server, Kernel], server: Verb) -> None:
    before = container(server, work[0].name)
    server("stop", "engine")
    server("restart", "hub")
    still_there(work)
    server("start", "engine")
    assert container(server, work[0].name) == before
    assert work[0].is_known
    still_there(work)


def test_a_hub_that_starts_while_a_container_is_paused_ends_no_server(
    work: tuple[Server, Kernel], server: Verb
) -> None:
    identifier = str(container(server, work[0].name)["id"])
    server("docker", "pause", identifier)
    server("restart", "hub")
    assert work[0].is_known
    server("docker", "unpause", identifier)
    still_there(work)


def test_a_hub_that_starts_while_the_proxy_has_no_routes_brings_them_back(
    work: tuple[Server, Kernel], server: Verb
) -> None:
    server("stop", "hub")
    server("restart", "proxy")
    server("start", "hub")
    still_there(work)


def test_a_hub_learns_that_a_container_has_gone_while_it_was_away(work: tuple[Server, Kernel], server: Verb) -> None:
    server("stop", "hub")
    server("docker", "rm", "--force", str(container(server, work[0].name)["id"]))
    server("start", "hub")
    wait_until(lambda: not work[0].is_known, "the hub knows that the server is gone", 30)
    work[0].start()


def test_a_hub_that_dies_during_a_start_resumes_the_server(student: Visitor, name: str, server: Verb) -> None:
    mine = Server(student, name)
    student.get(f"/hub/spawn/{name}", follow=False)
    wait_until(lambda: container(server, name)["state"] == "running", "the container runs", 30, 0.05)
    server("kill", "hub")
    server("start", "hub")
    wait_until(lambda: mine.get("api/status").status_code in {200, 403}, "the server answers", 60)
    mine.open()
    with mine.kernel() as kernel:
        assert kernel.run("print(6 * 7)") == "42\n"
    mine.stop()


def test_an_unknown_container_is_removed_and_its_files_stay(work: tuple[Server, Kernel], server: Verb) -> None:
    mine, kernel = work
    kernel.run("open('kept.txt', 'w').write('kept')")
    server("stop", "engine")
    mine.stop()
    server("kill", "hub")
    server("start", "engine")
    assert container(server, mine.name)["state"] == "running"
    server("start", "hub")
    wait_until(lambda: container(server, mine.name)["state"] == "gone", "the engine has no such container", 30)
    mine.start()
    assert mine.read("kept.txt") == "kept"


def test_a_stop_while_the_engine_is_away_happens_when_it_is_back(work: tuple[Server, Kernel], server: Verb) -> None:
    mine = work[0]
    server("stop", "engine")
    mine.stop()
    server("start", "engine")
    wait_until(lambda: container(server, mine.name)["state"] == "gone", "the engine has no such container", 30)
    mine.start()


def test_a_start_while_the_engine_is_away_gives_the_reason(student: Visitor, name: str, server: Verb) -> None:
    mine = Server(student, name)
    server("stop", "engine")
    try:
        answer = student.get(f"/hub/spawn/{name}")
        page = answer.text
        assert "The machine that runs the servers does not answer" in page
        assert "Your files are safe" in page
        assert "Traceback" not in page
        assert answer.status_code == 503
    finally:
        server("start", "engine")
    mine.start()
    mine.stop()


def test_the_homepage_answers_while_the_engine_is_away(student: Visitor, server: Verb) -> None:
    server("stop", "engine")
    try:
        assert student.get("/hub/home").status_code == 200
    finally:
        server("start", "engine")


@pytest.mark.attack(77)
def test_secrets_of_hub_and_proxy_are_not_visible_to_others(server: Verb) -> None:
    folder = read_settings(server)["paths"]["state"] + "/secrets"
    names = server("exec", "ls", folder).split()
    secrets = [server("exec", "cat", f"{folder}/{name}").strip() for name in names]
    assert {"cookie-secret", "crypt-key", "proxy-token", "cli-token"} <= set(names)
    shown = (
        server("exec", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        + server("logs", "hub")
        + server("logs", "proxy")
    )
    assert [name for name, secret in zip(names, secrets, strict=True) if secret and secret in shown] == []


@pytest.mark.attack(81)
@pytest.mark.parametrize("restarted", [None, "hub", "engine"])
def test_a_server_that_dies_is_noticed_within_two_seconds(
    work: tuple[Server, Kernel], server: Verb, restarted: str | None
) -> None:
    mine = work[0]
    if restarted:
        server("restart", restarted)
        still_there(work)
        time.sleep(2)  # the hub asks the engine for events again after a second
    server("docker", "kill", str(container(server, mine.name)["id"]))
    wait_until(lambda: not mine.is_known, "the hub has noticed", 2, 0.1)
    assert mine.get("api/status").status_code in {302, 404, 424, 503}
    mine.start()
