from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from classroom.student.activity import Watch, is_write, last_at_work

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def header(kind: str, request: str = "r", subshell: str | None = None) -> dict[str, object]:
    return {"msg_type": kind, "msg_id": request, "subshell_id": subshell}


def status(
    watch: Watch, state: str, kind: str = "execute_request", request: str = "r", subshell: str | None = None
) -> bool:
    return watch.note("status", header(kind, request, subshell), state)


def test_a_cell_is_busy_from_its_first_announcement_to_its_last() -> None:
    watch = Watch()
    assert not watch.busy
    assert status(watch, "busy")
    assert watch.busy
    assert status(watch, "idle")
    assert not watch.busy


@pytest.mark.parametrize(
    "kind", ["kernel_info_request", "comm_info_request", "debug_request", "history_request", "shutdown_request"]
)
def test_what_an_open_tab_asks_by_itself_is_no_work(kind: str) -> None:
    watch = Watch()
    assert not status(watch, "busy", kind)
    assert not watch.busy
    assert not watch.note("status", header(kind), "idle")


@pytest.mark.parametrize("kind", ["execute_request", "complete_request", "inspect_request", "comm_msg"])
def test_what_a_student_asks_is_work(kind: str) -> None:
    assert status(Watch(), "busy", kind)


def test_another_answer_does_not_end_a_running_cell() -> None:
    watch = Watch()
    status(watch, "busy", request="cell")
    for kind, shell in (("comm_msg", "sub"), ("create_subshell_request", None), ("debug_request", None)):
        status(watch, "busy", kind, "other", shell)
        status(watch, "idle", kind, "other", shell)
        assert watch.busy
    status(watch, "idle", request="cell")
    assert not watch.busy


def test_an_announcement_that_was_lost_is_made_up_for_by_the_next_request() -> None:
    watch = Watch()
    status(watch, "busy", request="first")
    status(watch, "busy", request="second")
    status(watch, "idle", request="second")
    assert not watch.busy


@pytest.mark.parametrize("state", ["starting", "restarting", "dead"])
def test_a_kernel_that_starts_anew_is_busy_with_nothing(state: str) -> None:
    watch = Watch()
    status(watch, "busy")
    watch.note("status", {}, state)
    assert not watch.busy


def test_output_of_a_thread_that_outlives_its_cell_is_work() -> None:
    watch = Watch()
    status(watch, "busy")
    status(watch, "idle")
    assert watch.note("stream", header("execute_request"))


def test_output_that_nobody_asked_for_is_none() -> None:
    assert not Watch().note("stream", {})
    assert not Watch().note("status", None, "idle")


def test_a_busy_kernel_counts_as_now() -> None:
    assert last_at_work(NOW, busy=True, seen=[]) == NOW


def test_otherwise_the_latest_of_what_was_seen_counts() -> None:
    earlier = NOW - timedelta(hours=1)
    assert last_at_work(NOW, busy=False, seen=[earlier, None, earlier - timedelta(1)]) == earlier


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("PUT", "/user/a/api/contents/x.ipynb", True),
        ("POST", "/user/a/api/contents", True),
        ("DELETE", "/user/a/api/contents/a/b.txt", True),
        ("PATCH", "/user/a/api/contents/x", True),
        ("GET", "/user/a/api/contents/x", False),
        ("PUT", "/user/a/lab/api/workspaces/default", False),
        ("PUT", "/user/a/lab/api/settings/x", False),
        ("POST", "/user/a/api/contentsx", False),
        ("POST", "/user/b/api/contents", False),
    ],
)
def test_writes_are_those_of_the_contents_api(method: str, path: str, expected: bool) -> None:  # noqa: FBT001
    assert is_write(method, path, "/user/a/") is expected
