"""What can be shown on a machine with a GPU and nothing else: no Docker, no root, PyTorch from PyPI.

    pip install ./python torch && python tests/gpu/on_a_card.py

Loads a GPU with products of matrices, and meanwhile looks as the sampler does: the driver must name the card, count
this process's memory and see that it computes; when it stops, it must grow idle. The welcome notebook's test of the GPU
runs too. Prints what was seen and writes it next to this file, under the card's name; ends with 1 if it is not right.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from classroom.gpus.telemetry import nvml
from classroom.gpus.telemetry.collector import Collector
from classroom.student.gpu import check_gpus

HERE = Path(__file__).parent
ME = "0" * 64  # in place of a container's identifier


def main() -> int:
    """Measure, print and store the results."""
    works, text = check_gpus()
    with nvml.driver() as driver:
        sampler = Collector(lambda pid: ME if pid == os.getpid() else None, time.monotonic())

        def look() -> Any:
            return sampler.collect(driver.read(), time.monotonic(), time.time())

        begin = time.perf_counter()
        look()
        took = time.perf_counter() - begin
        done = threading.Event()
        load = threading.Thread(target=_compute, args=(done,))
        load.start()
        time.sleep(5)
        busy = look()
        done.set()
        load.join()
        time.sleep(5)
        look()
        time.sleep(5)
        idle = look()
    seen = {
        "test": {"works": works, "text": text},
        "look": f"{took * 1000:.1f} ms",
        "busy": busy.model_dump(exclude={"taken"}),
        "idle": idle.model_dump(exclude={"taken"}),
    }
    right = works and ME in busy.containers and busy.containers[ME].memory > 0 and busy.containers[ME].idle < 1
    right = right and 4 < idle.containers[ME].idle < 15
    name = re.sub(r"\W+", "-", busy.cards[0].name).strip("-").lower()
    (HERE / f"{name}.json").write_text(json.dumps(seen | {"right": right}, indent=2) + "\n")
    print(json.dumps(seen | {"right": right}, indent=2))  # noqa: T201
    return 0 if right else 1


def _compute(done: threading.Event) -> None:
    import torch  # noqa: PLC0415 - slow, and `examine` has printed the reason if it is missing

    matrix = torch.rand(8192, 8192, device="cuda")
    while not done.is_set():
        (matrix @ matrix).sum().item()


if __name__ == "__main__":
    sys.exit(main())
