"""Readings from a driver's answers; `Library` replaces `libnvidia-ml.so`, below pynvml."""

# ruff: noqa: SLF001 - where `byref` points to has no other name
from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import pynvml
import pytest

from classroom.gpus.telemetry import nvml
from classroom.gpus.telemetry.nvml import DriverError, Process, driver

H100 = b"NVIDIA H100 80GB HBM3"
NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
NOT_FOUND = pynvml.NVML_ERROR_NOT_FOUND


@dataclass
class Library:
    """A card with the C functions of NVML, which return a status and write through pointers."""

    status: dict[str, int] = field(default_factory=dict)
    """What a function returns if not success."""
    processes: list[tuple[int, int]] = field(default_factory=list)
    """Number and bytes."""
    clients: list[tuple[int, int]] = field(default_factory=list)
    """The same of those that run by CUDA's Multi-Process Service."""
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    """Number, time stamp, percent."""
    instances: int = 0
    """Of MIG; 0 means that it is off."""
    later: int = 0
    """More samples than the library had said at first."""

    def __getattr__(self, name: str) -> Any:
        if name not in self.__class__.__dict__ and not name.startswith("nvml"):
            raise AttributeError(name)
        answer = getattr(type(self), f"_{name}", lambda *_: 0)
        if self.status.get(name) == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise AttributeError(name)
        return lambda *given: self.status.get(name) or answer(self, *given)

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = 1
        return 0

    def _nvmlDeviceGetUUID(self, _handle: Any, text: Any, _size: Any) -> int:
        text.value = b"GPU-1"
        return 0

    def _nvmlDeviceGetName(self, _handle: Any, text: Any, _size: Any) -> int:
        text.value = H100
        return 0

    def _nvmlDeviceGetMemoryInfo(self, _handle: Any, memory: Any) -> int:
        memory._obj.used, memory._obj.total = 2, 80
        return 0

    def _nvmlDeviceGetUtilizationRates(self, _handle: Any, rates: Any) -> int:
        rates._obj.gpu = 50
        return 0

    def _nvmlDeviceGetMigMode(self, _handle: Any, current: Any, _pending: Any) -> int:
        current._obj.value = int(self.instances > 0)
        return 0

    def _nvmlDeviceGetMaxMigDeviceCount(self, _handle: Any, count: Any) -> int:
        count._obj.value = 7
        return 0

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, _handle: Any, index: Any, _device: Any) -> int:
        return 0 if index.value < self.instances else NOT_FOUND

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, _handle: Any, count: Any, found: Any) -> int:
        return listed(self.processes, count, found)

    def _nvmlDeviceGetMPSComputeRunningProcesses_v3(self, _handle: Any, count: Any, found: Any) -> int:
        return listed(self.clients, count, found)

    def _nvmlDeviceGetProcessUtilization(self, _handle: Any, found: Any, count: Any, since: Any) -> int:
        new = [sample for sample in self.samples if sample[1] > since.value]
        if not new:
            return NOT_FOUND
        if found is None or count._obj.value < len(new) + self.later:
            count._obj.value = len(new)
            return pynvml.NVML_ERROR_INSUFFICIENT_SIZE
        for place, (pid, stamp, percent) in enumerate(new):
            found[place].pid, found[place].timeStamp, found[place].smUtil = pid, stamp, percent
        return 0


def listed(processes: list[tuple[int, int]], count: Any, found: Any) -> int:
    count._obj.value = len(processes)
    if found is None:
        return pynvml.NVML_ERROR_INSUFFICIENT_SIZE if processes else 0
    for place, (pid, memory) in enumerate(processes):
        found[place].pid, found[place].usedGpuMemory = pid, memory
    return 0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setattr(pynvml, "nvmlLib", made)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return made


def read() -> nvml.Reading:
    with driver() as opened:
        (found,) = opened.read()
        return found


def test_a_reading_has_the_card_and_its_processes(library: Library) -> None:
    library.processes = [(7, 100), (8, 200)]
    library.samples = [(7, 1, 30), (7, 2, 90), (7, 3, 60)]
    found = read()
    assert (found.index, found.uuid, found.name) == ("0", "GPU-1", H100.decode())
    assert (found.memory_used, found.memory_total, found.use) == (2, 80, 0.5)
    assert found.processes == (Process(7, 100, 0.9), Process(8, 200, 0.0))


def test_each_sample_is_read_once(library: Library) -> None:
    library.processes, library.samples = [(7, 100)], [(7, 5, 30)]
    with driver() as opened:
        assert opened.read()[0].processes == (Process(7, 100, 0.3),)
        assert opened.read()[0].processes == (Process(7, 100, 0.0),)


@pytest.mark.parametrize(
    "status", [NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND]
)
def test_values_that_the_driver_does_not_give_are_unknown(library: Library, status: int) -> None:
    library.processes, library.status = [(7, 100)], {"nvmlDeviceGetProcessUtilization": status}
    assert read().processes == (Process(7, 100, None),)


def test_samples_between_two_calls_are_ignored(library: Library) -> None:
    library.processes, library.samples, library.later = [(7, 100)], [(7, 1, 30)], 1
    assert read().processes == (Process(7, 100, None),)


@pytest.mark.parametrize("status", [NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND])
def test_active_processes_are_known_without_the_process_list(library: Library, status: int) -> None:
    library.samples, library.status = [(7, 1, 30)], {"nvmlDeviceGetComputeRunningProcesses_v3": status}
    assert read().processes == (Process(7, 0, 0.3),)


def test_a_client_of_mps_does_not_count_as_idle(library: Library) -> None:
    library.processes, library.clients, library.samples = [(7, 100), (9, 5)], [(8, 200)], [(7, 1, 95)]
    assert set(read().processes) == {Process(7, 100, 0.95), Process(8, 200, None), Process(9, 5, 0.0)}


def test_an_unmeasured_value_is_no_use(library: Library) -> None:
    library.processes, library.samples = [(7, 100)], [(7, 1, 4_294_967_295)]
    assert read().processes == (Process(7, 100, 0.0),)


def test_shared_memory_is_that_of_the_machine(library: Library) -> None:
    library.status = {"nvmlDeviceGetMemoryInfo": NOT_SUPPORTED}
    found = read()
    assert 0 < found.memory_used < found.memory_total


def test_instances_replace_their_card(library: Library) -> None:
    library.instances, library.processes, library.samples = 2, [(7, 100)], [(7, 1, 30)]
    with driver() as opened:
        found = opened.read()
    assert [reading.index for reading in found] == ["0:0", "0:1"]
    assert {reading.use for reading in found} == {None}
    assert found[0].processes == (Process(7, 100, None),), "the driver does not measure instances"


def test_a_lost_card_is_left_out(library: Library) -> None:
    library.status = {"nvmlDeviceGetUUID": pynvml.NVML_ERROR_GPU_IS_LOST}
    with driver() as opened:
        assert opened.read() == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "modprobe nvidia"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "modprobe nvidia"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "restart this machine"),
        (pynvml.NVML_ERROR_UNKNOWN, "see that nvidia-smi works"),
    ],
)
def test_a_silent_driver_is_reported_with_its_fix(library: Library, status: int, words: str) -> None:
    library.status = {"nvmlInitWithFlags": status}
    with pytest.raises(DriverError, match=words), driver():
        pass


def test_a_driver_that_stops_answering_is_reported(library: Library) -> None:
    with driver() as opened:
        library.status = {"nvmlDeviceGetCount_v2": pynvml.NVML_ERROR_UNKNOWN}
        with pytest.raises(DriverError, match="does not answer"):
            opened.read()


def test_pynvml_still_calls_the_library_in_this_way() -> None:
    """Check the calls that the double replaces."""
    assert ctypes.sizeof(pynvml.c_nvmlProcessInfo_v3_t) == 24
    assert ctypes.sizeof(pynvml.c_nvmlProcessUtilizationSample_t) == 32
