"""`classroom gpus test` on a real engine with simulated GPUs: its messages without PyTorch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from behaviour.gpu_class import Class, start

pytestmark = pytest.mark.timeout(300)


def trial(room: Class, *words: str) -> tuple[int, str]:
    """Return the exit status and output."""
    command = 'classroom gpus test --settings "$0" "$@"; echo "status $?"'
    output = room.server("exec", "sh", "-c", f"({command}) 2>&1", room.server("settings").strip(), *words)
    text, _, status = output.rpartition("status ")
    return int(status), text


def test_each_gpu_is_tested_in_a_container_that_is_removed(room: Class) -> None:
    room.rules("exclusive", devices=["0", "2"])
    status, text = trial(room, "--json")
    found: list[dict[str, Any]] = json.loads(text)
    assert status == 1
    assert [result["device"] for result in found] == ["0", "2"]
    assert all("PyTorch is not installed in this image." in result["said"] for result in found)
    assert room.server("docker", "ps", "--all", "--quiet", "--filter", "label=org.classroom.trial") == ""


def test_a_student_name_runs_the_test_in_their_server(room: Class) -> None:
    room.rules("exclusive", devices=["1"])
    student = room.student()
    assert f"{student.name} has no server now" in trial(room, student.name)[1]
    start(student)
    status, text = trial(room, student.name)
    assert (status, "does not work" in text) == (1, True)
    assert "In use by" not in text
    assert f"In use by {student.name} during the test." in " ".join(trial(room)[1].split())


def test_a_missing_specification_is_reported_with_the_remedy(room: Class) -> None:
    room.rules("exclusive")
    room.remove("nvidia.json")
    status, text = trial(room)
    assert status == 1
    assert "No driver is loaded either" in text
    assert "Traceback" not in text
