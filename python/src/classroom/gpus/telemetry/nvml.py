"""NVML: the driver's data on NVIDIA GPUs and their processes. A thin layer that decides nothing.

Functions: https://docs.nvidia.com/deploy/nvml-api/. Process numbers are the machine's, not a container's.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pynvml

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_WITHOUT_ANSWER = (
    pynvml.NVMLError_NotSupported,
    pynvml.NVMLError_NoPermission,
    pynvml.NVMLError_FunctionNotFound,
    pynvml.NVMLLibraryMismatchError,  # what pynvml raises instead of the last for some functions; it is no NVMLError
)
_MEMINFO = Path("/proc/meminfo")


class DriverError(ClassroomError):
    """The driver does not answer."""


@dataclass(frozen=True)
class Process:
    """A process on a GPU."""

    pid: int
    memory: int
    """Bytes; 0 where the driver gives none."""
    use: float | None
    """Share of the time since the last reading, 0 to 1; None where the driver gives none."""


@dataclass(frozen=True)
class Reading:
    """A GPU or a MIG instance at one moment."""

    index: str
    uuid: str
    name: str
    memory_used: int
    memory_total: int
    use: float | None
    processes: tuple[Process, ...]


@contextmanager
def driver() -> Iterator[Driver]:
    """Open the driver's library.

    Raises:
        DriverError: there is no driver, or its kernel module has another version; with the fix.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise DriverError(_why(error)) from error
    try:
        yield Driver()
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


class Driver:
    """The driver, open."""

    def __init__(self) -> None:
        """Start without readings."""
        self._newest: dict[str, int] = {}

    def read(self) -> tuple[Reading, ...]:
        """Return a reading of every GPU, or of the instances of a divided GPU.

        Raises:
            DriverError: the driver no longer answers.
        """
        try:
            readings: list[Reading] = []
            for number in range(pynvml.nvmlDeviceGetCount()):
                try:
                    card = pynvml.nvmlDeviceGetHandleByIndex(number)
                    parts = list(_instances(card))
                    if parts:
                        readings += [self._read(part, f"{number}:{place}", card) for place, part in parts]
                    else:
                        readings.append(self._read(card, str(number)))
                except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_NotFound):
                    continue  # fallen off the bus, or divided just now: the others still count
        except pynvml.NVMLError as error:
            raise DriverError(_why(error)) from error
        return tuple(readings)

    def _read(self, handle: Any, index: str, parent: Any = None) -> Reading:  # noqa: ANN401 - pointers of C
        used, total = _memory(handle)
        uuid = pynvml.nvmlDeviceGetUUID(handle)
        uses = self._uses(handle, uuid) if parent is None else None
        busy = None
        if parent is None:
            with suppress(*_WITHOUT_ANSWER):
                busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        running = []
        with suppress(*_WITHOUT_ANSWER):
            running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        clients: set[int] = set()
        with suppress(*_WITHOUT_ANSWER):
            mps = pynvml.nvmlDeviceGetMPSComputeRunningProcesses(handle)
            clients, running = {process.pid for process in mps}, [*running, *mps]
        return Reading(
            index=index,
            uuid=uuid,
            name=pynvml.nvmlDeviceGetName(handle if parent is None else parent),
            memory_used=used,
            memory_total=total,
            use=busy,
            processes=_processes({process.pid: process.usedGpuMemory or 0 for process in running}, uses, clients),
        )

    def _uses(self, handle: Any, uuid: str) -> dict[int, float] | None:  # noqa: ANN401 - as above
        """Return the highest use of each process since the last reading; None if the driver gives none."""
        try:
            samples = pynvml.nvmlDeviceGetProcessUtilization(handle, self._newest.get(uuid, 0))
        except pynvml.NVMLError_NotFound:
            return {}  # nothing ran
        except (pynvml.NVMLError_InsufficientSize, *_WITHOUT_ANSWER):
            return None  # the first: more samples than the library had just announced
        uses: dict[int, float] = {}
        for sample in samples:
            self._newest[uuid] = max(self._newest.get(uuid, 0), sample.timeStamp)
            # The library leaves values above 100 where it measured nothing.
            if sample.smUtil <= 100:
                uses[sample.pid] = max(uses.get(sample.pid, 0.0), sample.smUtil / 100)
        return uses


def _processes(
    memory: Mapping[int, int], uses: Mapping[int, float] | None, clients: Collection[int]
) -> tuple[Process, ...]:
    """Return the processes that hold memory and those that ran: some drivers list only one of the two.

    Args:
        memory: bytes, by process.
        uses: share of time, by process that ran; None if the driver gives none.
        clients: clients of CUDA's Multi-Process Service; the driver may count their use as the server's.
    """
    if uses is None:
        return tuple(Process(pid, held, None) for pid, held in memory.items())
    return tuple(
        Process(pid, memory.get(pid, 0), uses.get(pid, None if pid in clients else 0.0)) for pid in {**memory, **uses}
    )


def _memory(handle: Any) -> tuple[int, int]:  # noqa: ANN401 - as above
    """Return used and total bytes; those of the machine where the GPU has no memory of its own (DGX Spark, Jetson)."""
    with suppress(*_WITHOUT_ANSWER):
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return memory.used, memory.total
    lines = (line.split() for line in _MEMINFO.read_text().splitlines())
    kilobytes = {words[0]: int(words[1]) for words in lines}
    total = kilobytes["MemTotal:"]
    return 1024 * (total - kilobytes["MemAvailable:"]), 1024 * total


def _instances(card: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 - as above
    try:
        if pynvml.nvmlDeviceGetMigMode(card)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(card)
    except _WITHOUT_ANSWER:
        return
    for place in range(most):
        with suppress(pynvml.NVMLError_NotFound, *_WITHOUT_ANSWER):
            yield place, pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, place)


def _why(error: pynvml.NVMLError) -> str:
    if isinstance(error, (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)):
        return "there is no NVIDIA driver that answers: load it (modprobe nvidia), and see that nvidia-smi works"
    if isinstance(error, pynvml.NVMLError_LibRmVersionMismatch):
        return "the NVIDIA driver was updated and its kernel module is still the old one: restart this machine"
    return f"the NVIDIA driver does not answer ({error}): see that nvidia-smi works"
