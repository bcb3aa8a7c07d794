"""Processes of `make test`: which files run at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stack.common import PYTHON_PATH
from support.suites import ALONE, STACKLESS

SLOW = """
import os, pathlib, time

def test_begin():
    time.sleep(0.3)

def test_end():
    with open(pathlib.Path(__file__).parents[2] / "log", "a") as log:
        print(pathlib.Path(__file__).name, os.environ["PYTEST_XDIST_WORKER"], file=log)
"""


def test_each_process_takes_complete_files_and_those_that_measure_time_come_last(tmp_path: Path) -> None:
    directory = tmp_path / Path(ALONE).parent
    directory.mkdir(parents=True)
    names = [Path(ALONE).name, *(f"test_{number}.py" for number in range(6))]
    for name in names:
        (directory / name).write_text(SLOW, encoding="utf-8")
    plugin = ["-p", "support.suites", "--dist=loadscope", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", *plugin, *(f"{directory}/{n}" for n in names)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLASSROOM_", "PYTEST_"))}
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": PYTHON_PATH},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert sorted(name for name, _ in lines) == sorted(names)
    assert lines[-1][0] == names[0]
    assert len({process for _, process in lines}) == STACKLESS
