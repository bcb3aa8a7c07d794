from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from classroom.student.activity import KernelActivity, activity_body, is_contents_write, last_work, report_activity

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
LOG = logging.getLogger("test")


def header(kind: str, request: str = "r", subshell: str | None = None) -> dict[str, object]:
    return {"msg_type": kind, "msg_id": request, "subshell_id": subshell}


def status(
    activity: KernelActivity, state: str, kind: str = "execute_request", request: str = "r", subshell: str | None = None
) -> bool:
    return activity.record("status", header(kind, request, subshell), state)


def test_a_cell_is_busy_from_its_first_announcement_to_its_last() -> None:
    activity = KernelActivity()
    assert not activity.busy
    assert status(activity, "busy")
    assert activity.busy
    assert status(activity, "idle")
    assert not activity.busy


@pytest.mark.parametrize(
    "kind", ["kernel_info_request", "comm_info_request", "debug_request", "history_request", "shutdown_request"]
)
def test_requests_of_an_open_tab_are_not_work(kind: str) -> None:
    activity = KernelActivity()
    assert not status(activity, "busy", kind)
    assert not activity.busy
    assert not activity.record("status", header(kind), "idle")


@pytest.mark.parametrize("kind", ["execute_request", "complete_request", "inspect_request", "comm_msg"])
def test_requests_of_a_student_are_work(kind: str) -> None:
    assert status(KernelActivity(), "busy", kind)


def test_another_answer_does_not_end_a_running_cell() -> None:
    activity = KernelActivity()
    status(activity, "busy", request="cell")
    for kind, shell in (("comm_msg", "sub"), ("create_subshell_request", None), ("debug_request", None)):
        status(activity, "busy", kind, "other", shell)
        status(activity, "idle", kind, "other", shell)
        assert activity.busy
    status(activity, "idle", request="cell")
    assert not activity.busy


def test_the_next_request_ends_one_whose_idle_message_was_lost() -> None:
    activity = KernelActivity()
    status(activity, "busy", request="first")
    status(activity, "busy", request="second")
    status(activity, "idle", request="second")
    assert not activity.busy


@pytest.mark.parametrize("state", ["starting", "restarting", "dead"])
def test_a_restarted_kernel_is_idle(state: str) -> None:
    activity = KernelActivity()
    status(activity, "busy")
    activity.record("status", {}, state)
    assert not activity.busy


def test_output_of_a_thread_that_outlives_its_cell_is_work() -> None:
    activity = KernelActivity()
    status(activity, "busy")
    status(activity, "idle")
    assert activity.record("stream", header("execute_request"))


def test_output_without_a_request_is_not_work() -> None:
    assert not KernelActivity().record("stream", {})
    assert not KernelActivity().record("status", None, "idle")


def test_a_busy_kernel_counts_as_now() -> None:
    assert last_work(NOW, busy=True, times=[]) == NOW


def test_otherwise_the_latest_time_counts() -> None:
    earlier = NOW - timedelta(hours=1)
    assert last_work(NOW, busy=False, times=[earlier, None, earlier - timedelta(1)]) == earlier


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
    assert is_contents_write(method, path, "/user/a/") is expected


def test_a_report_has_the_format_of_the_hubs_api() -> None:
    stamp = "2026-10-01T12:00:00Z"
    assert json.loads(activity_body("", NOW)) == {"servers": {"": {"last_activity": stamp}}, "last_activity": stamp}


def run(moments: list[datetime | Exception], failures: set[int] = frozenset()) -> list[datetime]:  # type: ignore[assignment]
    """Let the reporter check once for each moment; the hub refuses the sends whose numbers are in `failures`."""
    sent: list[datetime] = []
    tries = 0

    async def scenario() -> None:
        remaining = iter(moments)
        done = asyncio.Event()

        def last() -> datetime:
            moment = next(remaining, None)
            if moment is None:
                done.set()
                return NOW
            if isinstance(moment, Exception):
                raise moment
            return moment

        async def send(moment: datetime) -> None:
            nonlocal tries
            tries += 1
            if tries - 1 in failures:
                raise OSError("refused")
            sent.append(moment)

        task = asyncio.create_task(report_activity(last, send, 0.001, LOG))
        await asyncio.wait_for(done.wait(), 10)
        task.cancel()

    asyncio.run(scenario())
    return sent


def test_only_a_later_time_is_sent() -> None:
    later = NOW + timedelta(minutes=1)
    assert run([NOW, NOW, later, later, NOW]) == [NOW, later]


def test_a_report_that_the_hub_did_not_accept_is_sent_again() -> None:
    assert run([NOW, NOW, NOW], failures={0, 1}) == [NOW]


def test_an_error_of_the_server_does_not_end_the_reports() -> None:
    assert run([RuntimeError("a kernel went away meanwhile"), NOW]) == [NOW]


def test_a_hub_that_is_away_and_back_is_one_log_line_each(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run([NOW] * 5, failures={0, 1, 2})
    assert ["did not accept" in line for line in caplog.messages] == [True, False]
