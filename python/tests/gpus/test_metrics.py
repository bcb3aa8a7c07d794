from __future__ import annotations

from machines import inventory, nvidia
from prometheus_client import REGISTRY

from classroom.gpus.leases import Lease
from classroom.gpus.metrics import show
from classroom.gpus.offer import View
from classroom.settings import Gpu


def test_the_figures_are_those_of_the_last_look() -> None:
    gpu = Gpu(policy="shared", devices=("0", "1"))
    show(View(gpu, inventory(nvidia(4)), (Lease("ada", ("nvidia.com/gpu=1",)),)))
    assert REGISTRY.get_sample_value("classroom_gpu_leases", {"device": "1"}) == 1
    assert REGISTRY.get_sample_value("classroom_gpu_devices") == 2
    show(View(gpu, inventory(nvidia(1)), ()))
    assert REGISTRY.get_sample_value("classroom_gpu_leases", {"device": "1"}) is None, "a device that has gone"
    assert REGISTRY.get_sample_value("classroom_gpu_waiting") == 0
