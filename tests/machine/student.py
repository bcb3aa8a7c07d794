"""Student at work on a machine: a kernel that counts, and a websocket on which the numbers come.

Run in the network namespace of the machine: `python -m machine.student DIRECTORY PASSWORD`. `DIRECTORY/begun` appears
when the first number has come. The student ends when `DIRECTORY/end` exists, and leaves `DIRECTORY/report.json`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from behaviour.servers import enrol
from machine.machine import URL, instructor

_CODE = """
import pathlib, time
count = 0
while not pathlib.Path("end").exists():
    print(count, flush=True)
    count += 1
    time.sleep(0.1)
"""


def main() -> None:
    """Work until told to end."""
    directory, password = Path(sys.argv[1]), sys.argv[2]
    admin = instructor(password)
    mine = enrol(URL, admin, "ada")
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
