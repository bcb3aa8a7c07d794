"""Figures about GPUs at /hub/metrics, beside JupyterHub's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from classroom.db.models import utc_now
from classroom.gpus.allocation import class_device_pool, device_load
from classroom.gpus.telemetry.sample import cards

if TYPE_CHECKING:
    from collections.abc import Collection

    from classroom.gpus.snapshot import GpuSnapshot
    from classroom.settings.models import Gpu

DEVICES = Gauge("classroom_gpu_devices", "GPUs that are handed out to students")
LEASES = Gauge("classroom_gpu_leases", "Students on a GPU", ["device"])
WAITING = Gauge("classroom_gpu_waiting", "Students in line for a GPU")
RESERVED = Gauge("classroom_gpu_reserved", "GPUs that are kept by a reservation now")
WAITING_LONGEST = Gauge("classroom_gpu_longest_wait_seconds", "For how long who has waited longest has been in line")
HELD = Counter("classroom_gpu_held_seconds", "How long students have had GPUs, all together")
ENDED = Counter("classroom_gpu_leases_ended", "Servers that were stopped for their GPU", ["why"])
MEMORY_USED = Gauge("classroom_gpu_memory_used_bytes", "Memory in use on a GPU, of all who use it", ["device"])
MEMORY = Gauge("classroom_gpu_memory_bytes", "Memory of a GPU", ["device"])
USE = Gauge("classroom_gpu_use_ratio", "Part of the time in which something ran on a GPU", ["device"])
WAITED = Histogram(
    "classroom_gpu_wait_seconds",
    "How long students were in line before they started with a GPU",
    buckets=(10, 60, 300, 900, 1800, 3600, 7200, 14400),
)


def show(view: GpuSnapshot, rules: Collection[Gpu] = ()) -> None:
    """Set the gauges to what a look has found, and the sampler: what it does not know has no figure.

    Args:
        view: what the look has found.
        rules: all that hold for somebody, if not only the view's.
    """
    devices = class_device_pool(rules or [view.gpu], view.inventory)
    counts = device_load(view.inventory, view.leases)
    DEVICES.set(len(devices))
    WAITING.set(len(view.queue))
    RESERVED.set(sum(len(each.identities) for each in view.claims))
    joined = min((each.joined for each in view.queue), default=None)
    WAITING_LONGEST.set(max(0.0, (utc_now() - joined).total_seconds()) if joined else 0)
    LEASES.clear()
    for device in view.inventory.devices:
        LEASES.labels(device.label).set(counts.count(device))
    for gauge in (MEMORY_USED, MEMORY, USE):
        gauge.clear()
    known = cards(view.sample, view.inventory.devices)
    for device in view.inventory.devices:
        if card := known.get(device.name):
            MEMORY_USED.labels(device.label).set(card.memory_used)
            MEMORY.labels(device.label).set(card.memory_total)
            if card.use is not None:
                USE.labels(device.label).set(card.use)
