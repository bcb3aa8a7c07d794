"""GPU collector (`classroom gpus sample`): measures each container's use of the GPUs. It needs the machine's /proc.

It decides nothing and stops no server. Unknown use counts as use: no student loses a GPU because of a missing figure.
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.gpus.telemetry import nvml
from classroom.gpus.telemetry.sample import INTERVAL, Card, ContainerUse, Sample, write_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CONTAINER = re.compile(r"/(?:docker-)?([0-9a-f]{64})(?:\.scope)?(?:/|$)", re.MULTILINE)
"""A line of /proc/PID/cgroup, by Docker's own driver or by systemd's."""
_FORGET = 86400.0  # seconds: containers' identifiers are never reused
_PAUSE = 300.0  # seconds until the next search for a driver

_log = logging.getLogger(__name__)


def container_in_cgroups(cgroups: str) -> str | None:
    """Return the engine's identifier of a process's container; the outermost of nested ones.

    Args:
        cgroups: the text of /proc/PID/cgroup, of version 1 or 2 of control groups.
    """
    match = _CONTAINER.search(cgroups)
    return match[1] if match else None


def container_of(pid: int, proc: Path = Path("/proc")) -> str | None:
    """Return the container of a process of this machine; None if it has none, or has ended."""
    try:
        return container_in_cgroups((proc / str(pid) / "cgroup").read_text())
    except OSError:
        return None


class Collector:
    """Measures the idle time of each container."""

    def __init__(self, container: Callable[[int], str | None], began: float) -> None:
        """Start without containers.

        Args:
            container: gives the container of a process.
            began: now, of `time.monotonic`.
        """
        self._container = container
        self._began = began
        self._last: dict[str, float] = {}

    def collect(self, readings: Iterable[nvml.Reading], moment: float, now: float) -> Sample:
        """Return the sample of these readings.

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
        self._last = {name: last for name, last in self._last.items() if name in memory or moment - last < _FORGET}
        idle = {name: moment - last for name, last in self._last.items()}
        return Sample(
            taken=now,
            watched=moment - self._began,
            cards=tuple(_card(reading) for reading in readings),
            containers={
                name: ContainerUse(idle=idle.get(name, moment - self._began), memory=memory.get(name, 0))
                for name in idle.keys() | memory.keys()
            },
        )


def run_collector(path: Path) -> None:
    """Write samples to a file while the driver answers; otherwise log the reason, wait a while and return.

    The unit then starts again: the devices that a unit may open are fixed at its start.

    Raises:
        ClassroomError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with nvml.driver() as driver:
            collector = Collector(container_of, time.monotonic())
            _log.info("Measuring %s GPUs, every %g s", len(driver.read()), INTERVAL)
            while True:
                _write(path, collector.collect(driver.read(), time.monotonic(), time.time()))
                time.sleep(INTERVAL)
    except nvml.DriverError as error:
        _log.warning("Nothing is measured: %s", error)
        time.sleep(_PAUSE)


def collect_once() -> Sample:
    """Return one sample, for the terminal.

    Raises:
        DriverError: no driver answers.
    """
    with nvml.driver() as driver:
        began = time.monotonic()
        driver.read()
        time.sleep(1)
        return Collector(container_of, began).collect(driver.read(), time.monotonic(), time.time())


def _write(path: Path, sample: Sample) -> None:
    try:
        write_sample(path, sample)
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
