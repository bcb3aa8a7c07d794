from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classroom.audit import reader
from classroom.audit.log import FILE_NAME
from classroom.audit.reader import Selection, read_events
from classroom.errors import ClassroomError

DAY = "2026-11-2{}T12:00:00.000+00:00"


def line(day: int, **fields: str) -> str:
    return json.dumps({"time": DAY.format(day), "action": "login", **fields}) + "\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / f"{FILE_NAME}.2026-11-20").write_text(line(0, user="ada") + line(0, user="ben"))
    (tmp_path / FILE_NAME).write_text(line(1, user="cat", by="ada") + '{"time": "20')
    return tmp_path


@pytest.mark.parametrize(
    ("selection", "users"),
    [
        (Selection(), ["ada", "ben", "cat"]),
        (Selection(user="ada"), ["ada", "cat"]),
        (Selection(since=datetime(2026, 11, 21, tzinfo=UTC)), ["cat"]),
    ],
    ids=["all", "about or by a user", "since"],
)
def test_events_are_selected_over_all_files(directory: Path, selection: Selection, users: list[str]) -> None:
    assert [event["user"] for event in read_events(directory, selection)] == users


def test_a_missing_log_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match="there is no audit log"):
        list(read_events(tmp_path, Selection()))


@pytest.mark.timeout(30)
def test_new_events_are_followed_into_the_file_of_the_next_day(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PAUSE", 0.01)
    current = directory / FILE_NAME
    current.write_text(line(1, user="cat"))
    followed = read_events(directory, Selection(), follow=True)
    assert [next(followed)["user"] for _ in range(3)] == ["ada", "ben", "cat"]

    def write() -> None:
        with current.open("a") as file:
            file.write(line(1, user="dan")[:20])
            file.flush()
            file.write(line(1, user="dan")[20:])
        current.rename(directory / f"{FILE_NAME}.2026-11-21")
        current.write_text(line(2, user="eve"))

    writer = threading.Timer(0.1, write)
    writer.start()
    assert [next(followed)["user"] for _ in range(2)] == ["dan", "eve"]
    writer.join()
