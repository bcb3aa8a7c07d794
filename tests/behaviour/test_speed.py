"""Waiting times of a student. The figures are printed at the end of the run."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from behaviour.servers import Server

CLASS = 20
WANTED = 3.5  # seconds, on two slow cores that have nothing else to do
BEARABLE = 20.0  # seconds, on a machine that has
QUIET = 0.15  # of all cores

pytestmark = pytest.mark.timeout(400)


def load(seconds: float = 2.0) -> float:
    """Return the fraction of all cores in use (proc_stat(5))."""

    def ticks() -> tuple[int, int]:
        numbers = [
            int(number) for number in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
        ]
        return sum(numbers), numbers[3] + numbers[4]

    before = ticks()
    time.sleep(seconds)  # what is measured is the time itself
    after = ticks()
    return 1 - (after[1] - before[1]) / max(1, after[0] - before[0])


def test_one_student_is_ready_in_seconds(new_student: Callable[[], Server], figure: Callable[[str], None]) -> None:
    students = [new_student() for _ in range(4)]
    took, loads = [], []
    for student in students:
        loads.append(load())
        took.append(student.start())
        student.stop()
    quiet = [seconds for seconds, used in zip(took[1:], loads[1:], strict=True) if used < QUIET]
    shown = ", ".join(
        f"{seconds:.1f} s ({used:.0%} of {os.cpu_count()} cores in use before)"
        for seconds, used in zip(took, loads, strict=True)
    )
    figure(f"one student, from the click to ready: {shown}")
    assert max(took) < BEARABLE
    if quiet:
        assert statistics.median(quiet) < WANTED


def test_twenty_students_at_once_all_get_their_server(
    new_student: Callable[[], Server], figure: Callable[[str], None]
) -> None:
    with ThreadPoolExecutor(CLASS) as pool:
        students = list(pool.map(lambda _: new_student(), range(CLASS)))
        before, begin = load(), time.monotonic()
        took = sorted(pool.map(lambda student: student.start(bound=200), students))
        whole = time.monotonic() - begin
        assert all(student.get("api/status").status_code == 200 for student in students)
        figure(
            f"{CLASS} students at once: none failed, first {took[0]:.0f} s, median {statistics.median(took):.0f} s, "
            f"last {whole:.0f} s ({before:.0%} of {os.cpu_count()} cores in use before)"
        )
        list(pool.map(lambda student: student.stop(), students))
