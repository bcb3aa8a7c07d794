"""Endings of servers: what is kept, for how long, and how much of it."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from classroom.spawner.endings import KEPT, Ending, Endings, log_end


def ending(name: str = "ada", at: float | None = None) -> Ending:
    return Ending(name, "itself", "It ended.", time.time() if at is None else at, "one\ntwo\n")


@pytest.mark.parametrize("name", ["ada", "../../etc/passwd", "é" * 200, "with space"])
def test_the_last_ending_of_a_student_is_kept_until_it_is_forgotten(tmp_path: Path, name: str) -> None:
    endings = Endings(tmp_path / "ended")
    assert endings.last(name) is None
    endings.record(ending("other"))
    endings.record(ending(name))
    assert endings.last(name) == Endings(tmp_path / "ended").last(name) == ending(name, endings.last(name).at)  # type: ignore[union-attr]
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "ended"}
    endings.forget(name)
    endings.forget(name)
    assert endings.last(name) is None
    assert endings.last("other") is not None


def test_only_the_hubs_user_can_read_it(tmp_path: Path) -> None:
    Endings(tmp_path / "ended").record(ending())
    assert stat.S_IMODE((tmp_path / "ended").stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "ended").iterdir()] == [0o600]


def test_it_is_kept_for_a_day(tmp_path: Path) -> None:
    endings = Endings(tmp_path)
    endings.prune()
    endings.record(ending("old", time.time() - KEPT))
    endings.record(ending("new"))
    assert endings.last("old") is None
    [old] = [file for file in tmp_path.iterdir() if '"old"' in file.read_text()]
    os.utime(old, (0, time.time() - KEPT))
    endings.prune()
    assert not old.exists()
    assert endings.last("new") is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "ada"}', "\xff"])
def test_a_file_that_cannot_be_read_is_no_ending(tmp_path: Path, text: str) -> None:
    endings = Endings(tmp_path)
    endings.record(ending())
    [file] = tmp_path.iterdir()
    file.write_bytes(text.encode("latin-1"))
    assert endings.last("ada") is None


def test_a_log_is_bounded_and_begins_with_a_whole_line() -> None:
    assert log_end("short\n") == "short\n"
    long = log_end("".join(f"line {number}\n" for number in range(100_000)))
    assert 60_000 < len(long) <= 65_536
    assert long.startswith("line ")
    assert long.endswith("line 99999\n")
