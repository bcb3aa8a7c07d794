"""Student at work on a machine: a kernel that counts, and a websocket on which the numbers come.

`Student` runs it in a network from which the class is reached: `python -m machine.student DIRECTORY PASSWORD`.
`DIRECTORY/begun` appears when the first number has come. The student ends when `DIRECTORY/end` exists, and leaves
`DIRECTORY/report.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from behaviour.servers import enrol
from machine.machine import URL, instructor
from stack.common import PYTHON_PATH
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from behaviour.servers import Server
    from machine.machine import Machine

_CODE = """
import pathlib, time
count = 0
while not pathlib.Path("end").exists():
    print(count, flush=True)
    count += 1
    time.sleep(0.1)
"""


class Student:
    """A student at work, in a process of its own."""

    def __init__(
        self, enter: Sequence[str], directory: Path, password: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Begin, and wait for the first number.

        Args:
            enter: the beginning of a command line that runs a command in the student's network.
            directory: for the files of the process.
            password: the instructor's.
            environment: variables, such as CLASSROOM_URL.
        """
        self._directory = directory
        variables = {**os.environ, "CLASSROOM_URL": URL, "PYTHONPATH": PYTHON_PATH, **(environment or {})}
        command = [*enter, sys.executable, "-m", "machine.student", str(directory), password]
        self.process = subprocess.Popen(command, env=variables)
        wait_until(self._has_begun, "the student works", 240)

    def end(self) -> dict[str, Any]:
        """Stop working, and return the report."""
        (self._directory / "end").touch()
        assert self.process.wait(60) == 0
        report: dict[str, Any] = json.loads((self._directory / "report.json").read_text())
        return report

    def _has_begun(self) -> bool:
        assert self.process.poll() is None, "the student could not work"
        return (self._directory / "begun").exists()


def leave_work(machine: Machine, password: str, name: str) -> Server:
    """Return the server of a new student that does not run; `work.txt` in the home contains "saved".

    Args:
        machine: where the class runs.
        password: the instructor's.
        name: of the student.
    """
    with machine.network():
        server = enrol(URL, instructor(password), name)
        server.start()
        server.write("work.txt", "saved")
        server.stop()
    return server


def main() -> None:
    """Work until told to end."""
    directory, password = Path(sys.argv[1]), sys.argv[2]
    url = os.environ["CLASSROOM_URL"]
    mine = enrol(url, instructor(password, url), "ada")
    mine.start()
    with mine.kernel() as kernel:
        message = kernel.send(_CODE)
        numbers, gap, last = [], 0.0, time.monotonic()
        for kind, content in kernel.follow(message, 3600):
            if kind != "stream":
                continue
            now = time.monotonic()
            numbers += [int(number) for number in content["text"].split()]
            if (directory / "begun").exists():
                gap = max(gap, now - last)
            last = now
            (directory / "begun").touch()
            if (directory / "end").exists():
                # Through the server's API, which ends the loop.
                mine.write("end", "")
                (directory / "end").unlink()
        report = {"numbers": len(numbers), "complete": numbers == list(range(len(numbers))), "gap": gap}
        (directory / "report.part").write_text(json.dumps(report))
        (directory / "report.part").rename(directory / "report.json")


if __name__ == "__main__":
    main()
