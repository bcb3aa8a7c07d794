from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from classroom.student import report

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
LOG = logging.getLogger("test")


def test_the_hub_is_told_in_its_own_format() -> None:
    stamp = "2026-10-01T12:00:00Z"
    assert json.loads(report.body("", START)) == {"servers": {"": {"last_activity": stamp}}, "last_activity": stamp}


def run(moments: list[datetime | Exception], failures: set[int] = frozenset()) -> list[datetime]:  # type: ignore[assignment]
    """Let the reporter look once for each moment; the hub refuses the sends whose numbers are in `failures`."""
    sent: list[datetime] = []
    tries = 0

    async def scenario() -> None:
        looks = iter(moments)
        done = asyncio.Event()

        def last() -> datetime:
            moment = next(looks, None)
            if moment is None:
                done.set()
                return START
            if isinstance(moment, Exception):
                raise moment
            return moment

        async def send(moment: datetime) -> None:
            nonlocal tries
            tries += 1
            if tries - 1 in failures:
                raise OSError("refused")
            sent.append(moment)

        task = asyncio.create_task(report.keep_telling(last, send, 0.001, LOG))
        await asyncio.wait_for(done.wait(), 10)
        task.cancel()

    asyncio.run(scenario())
    return sent


def test_only_news_is_sent() -> None:
    later = START + timedelta(minutes=1)
    assert run([START, START, later, later, START]) == [START, later]


def test_what_the_hub_did_not_take_is_sent_again() -> None:
    assert run([START, START, START], failures={0, 1}) == [START]


def test_a_mistake_of_ours_does_not_end_the_reports() -> None:
    assert run([RuntimeError("a kernel went away meanwhile"), START]) == [START]


def test_a_hub_that_is_away_is_one_line_in_the_log_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run([START] * 5, failures={0, 1, 2})
    assert ["did not take" in line for line in caplog.messages] == [True, False]
