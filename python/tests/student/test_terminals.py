from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("jupyter_server_terminals")

from classroom.student.terminals import CpuTime, session_cpu_times

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_cpu_time_of_the_programs_of_a_session_is_found() -> None:
    command = [sys.executable, "-c", "import sys\nfor i in range(10**7): pass\nprint()\nsys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout
        program.stdout.readline()
        assert session_cpu_times(Path("/proc"), {program.pid})[program.pid] > 0
        assert os.getpid() not in session_cpu_times(Path("/proc"), {program.pid})


def stat_line(pid: int, session: int, ticks: int) -> str:
    return f"{pid} (a ) (name) S 1 1 {session} 0 0 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 1"


def processes(folder: Path, *lines: tuple[int, int, float]) -> Path:
    for pid, session, seconds in lines:
        (folder / str(pid)).mkdir(exist_ok=True)
        (folder / str(pid) / "stat").write_text(stat_line(pid, session, int(seconds * os.sysconf("SC_CLK_TCK"))))
    return folder


@pytest.mark.parametrize(("used", "busy"), [(0.0, False), (1.0, False), (6.0, True), (60.0, True)])
def test_a_program_is_busy_when_it_uses_a_twentieth_of_a_core(tmp_path: Path, used: float, busy: bool) -> None:  # noqa: FBT001
    looks = CpuTime(processes(tmp_path, (7, 5, 100.0), (8, 9, 0.0)))
    assert not looks.is_busy({5}, NOW)
    processes(tmp_path, (7, 5, 100.0 + used), (8, 9, 1000.0))
    assert looks.is_busy({5}, NOW + timedelta(minutes=1)) is busy


def test_a_new_program_counts_with_all_its_cpu_time(tmp_path: Path) -> None:
    looks = CpuTime(tmp_path)
    assert not looks.is_busy({5}, NOW)
    processes(tmp_path, (7, 5, 30.0))
    assert looks.is_busy({5}, NOW + timedelta(minutes=1))


def test_without_terminals_nothing_is_busy(tmp_path: Path) -> None:
    looks = CpuTime(processes(tmp_path, (7, 5, 1.0)))
    assert not looks.is_busy(set(), NOW)
    assert not looks.is_busy(set(), NOW + timedelta(minutes=1))
