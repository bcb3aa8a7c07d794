"""Look at who uses the GPUs, for ever: `classroom gpus sample`. It must see the machine's processes.

It decides nothing and stops nobody. What it cannot tell it takes for use: nobody loses a GPU for a missing figure.
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.gpus.telemetry import nvml
from classroom.gpus.telemetry.sample import INTERVAL, Card, Sample, Use, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CONTAINER = re.compile(r"/(?:docker-)?([0-9a-f]{64})(?:\.scope)?(?:/|$)", re.MULTILINE)
"""In a line of /proc/PID/cgroup: by Docker's own driver, or by systemd's."""
_FORGET = 86400.0  # seconds: identifiers of containers are never used again
_PAUSE = 300.0  # seconds until the driver is looked for again

_log = logging.getLogger(__name__)


def container_in(cgroups: str) -> str | None:
    """The container that a process is in.

    Args:
        cgroups: what /proc/PID/cgroup says, of version 1 or 2 of control groups.

    Returns:
        The engine's identifier: of the outermost, where one runs in another.
    """
    found = _CONTAINER.search(cgroups)
    return found[1] if found else None


def container_of(pid: int, proc: Path = Path("/proc")) -> str | None:
    """The container of a process of this machine; None if it is in none, or has ended."""
    try:
        return container_in((proc / str(pid) / "cgroup").read_text())
    except OSError:
        return None


class Collector:
    """Remembers when each container was last at work."""

    def __init__(self, container: Callable[[int], str | None], began: float) -> None:
        """Nothing has been seen yet.

        Args:
            container: the container of a process.
            began: the moment, of `time.monotonic`.
        """
        self._container = container
        self._began = began
        self._last: dict[str, float] = {}

    def take(self, readings: Iterable[nvml.Reading], moment: float, now: float) -> Sample:
        """The sample of these readings.

        Args:
            readings: of the driver, now.
            moment: of `time.monotonic`.
            now: of `time.time`.
        """
        readings = tuple(readings)
        memory: dict[str, int] = {}
        for process in (process for reading in readings for process in reading.processes):
            container = self._container(process.pid)
            if container is None:
                continue
            memory[container] = memory.get(container, 0) + process.memory
            if process.use is None or process.use > 0:
                self._last[container] = moment
        self._last = {each: last for each, last in self._last.items() if each in memory or moment - last < _FORGET}
        idle = {each: moment - last for each, last in self._last.items()}
        return Sample(
            taken=now,
            watched=moment - self._began,
            cards=tuple(_card(reading) for reading in readings),
            containers={
                each: Use(idle=idle.get(each, moment - self._began), memory=memory.get(each, 0))
                for each in idle.keys() | memory.keys()
            },
        )


def run(path: Path) -> None:
    """Write samples to a file for as long as the driver answers; if it does not, say so, wait a while and return.

    The unit starts it again: which devices a unit may open is settled when it starts.

    Raises:
        ClassroomError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with nvml.driver() as driver:
            sampler = Collector(container_of, time.monotonic())
            _log.info("Measuring %s GPUs, every %g s", len(driver.read()), INTERVAL)
            while True:
                _write(path, sampler.take(driver.read(), time.monotonic(), time.time()))
                time.sleep(INTERVAL)
    except nvml.DriverError as error:
        _log.warning("Nothing is measured: %s", error)
        time.sleep(_PAUSE)


def once() -> Sample:
    """One sample, for people who look.

    Raises:
        DriverError: no driver answers.
    """
    with nvml.driver() as driver:
        began = time.monotonic()
        driver.read()
        time.sleep(1)
        return Collector(container_of, began).take(driver.read(), time.monotonic(), time.time())


def _write(path: Path, sample: Sample) -> None:
    try:
        write(path, sample)
    except OSError as error:
        raise ClassroomError(f"{path}: the sample cannot be written ({error.strerror})") from error


def _card(reading: nvml.Reading) -> Card:
    return Card(
        index=reading.index,
        uuid=reading.uuid,
        name=reading.name,
        memory_used=reading.memory_used,
        memory_total=reading.memory_total,
        use=reading.use,
    )
