from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from classroom.cli.time_args import parse_time
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("after", "text", "meant"),
    [
        ("2027-01-15 12:00", "now", "2027-01-15T12:00:00+01:00"),
        ("2027-01-15 12:00", "15:30", "2027-01-15T15:30:00+01:00"),
        ("2027-01-15 12:00", "9:05", "2027-01-16T09:05:00+01:00"),
        ("2027-01-15 12:00", "12:00", "2027-01-16T12:00:00+01:00"),
        ("2027-01-15 12:00", "90m", "2027-01-15T13:30:00+01:00"),
        ("2027-01-15 12:00", "2d", "2027-01-17T12:00:00+01:00"),
        ("2027-01-15 12:00", "2027-07-01 08:00", "2027-07-01T08:00:00+02:00"),
        ("2027-01-15 12:00", "2027-01-20T08:00Z", "2027-01-20T09:00:00+01:00"),
        ("2027-03-27 20:00", "10:00", "2027-03-28T10:00:00+02:00"),
        ("2027-10-30 20:00", "10:00", "2027-10-31T10:00:00+01:00"),
    ],
)
def test_a_time_is_parsed_as_people_mean_it(after: str, text: str, meant: str) -> None:
    assert parse_time(text, datetime.fromisoformat(after).astimezone(), "--to") == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "25:00", "12:60", "15.30", "99999d", "-1h", "2027-13-01", "0001-01-01"]
)
def test_the_message_for_an_invalid_time_has_an_example(text: str) -> None:
    with pytest.raises(ClassroomError, match=r"^--to .*write a time such as 15:30"):
        parse_time(text, datetime(2027, 1, 15, 12, 0).astimezone(), "--to")
