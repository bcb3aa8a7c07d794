from __future__ import annotations

from prometheus_client import REGISTRY

from classroom.gpus.leases import Lease
from classroom.gpus.metrics import update_metrics
from classroom.gpus.snapshot import GpuSnapshot
from classroom.gpus.telemetry.sample import Card, Sample
from classroom.settings.models import Gpu
from support.gpus import inventory, nvidia


def test_the_metrics_are_those_of_the_last_snapshot() -> None:
    gpu = Gpu(policy="shared", devices=("0", "1"))
    update_metrics(GpuSnapshot(gpu, inventory(nvidia(4)), (Lease("ada", ("nvidia.com/gpu=1",)),)))
    assert REGISTRY.get_sample_value("classroom_gpu_leases", {"device": "1"}) == 1
    assert REGISTRY.get_sample_value("classroom_gpu_devices") == 2
    update_metrics(GpuSnapshot(gpu, inventory(nvidia(1)), ()))
    assert REGISTRY.get_sample_value("classroom_gpu_leases", {"device": "1"}) is None, "a removed device"
    assert REGISTRY.get_sample_value("classroom_gpu_waiting") == 0


def test_unknown_values_have_no_metric() -> None:
    gpu, machine = Gpu(policy="shared"), inventory(nvidia(2))
    card = Card(index="0", uuid="GPU-1", name="H100", memory_used=3, memory_total=10)
    update_metrics(GpuSnapshot(gpu, machine, (), sample=Sample(taken=0, watched=0, cards=(card,))))
    assert REGISTRY.get_sample_value("classroom_gpu_memory_used_bytes", {"device": "0"}) == 3
    assert REGISTRY.get_sample_value("classroom_gpu_use_ratio", {"device": "0"}) is None
    assert REGISTRY.get_sample_value("classroom_gpu_memory_bytes", {"device": "1"}) is None
    update_metrics(GpuSnapshot(gpu, machine, ()))
    assert REGISTRY.get_sample_value("classroom_gpu_memory_used_bytes", {"device": "0"}) is None
