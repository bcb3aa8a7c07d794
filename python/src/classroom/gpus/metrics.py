"""Prometheus metrics of the GPUs, at /hub/metrics with JupyterHub's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from classroom.db.models import utc_now
from classroom.gpus.allocation import class_device_pool, device_load
from classroom.gpus.telemetry.sample import cards_by_device

if TYPE_CHECKING:
    from collections.abc import Collection

    from classroom.gpus.snapshot import GpuSnapshot
    from classroom.settings.models import Gpu

DEVICES = Gauge("classroom_gpu_devices", "GPUs of the class")
LEASES = Gauge("classroom_gpu_leases", "Students on a GPU", ["device"])
WAITING = Gauge("classroom_gpu_waiting", "Students in the queue for a GPU")
RESERVED = Gauge("classroom_gpu_reserved", "GPUs that are reserved now")
WAITING_LONGEST = Gauge("classroom_gpu_longest_wait_seconds", "Waiting time of the oldest entry in the queue")
HELD = Counter("classroom_gpu_held_seconds", "GPU time of all students")
ENDED = Counter("classroom_gpu_leases_ended", "Servers that were stopped because of their GPU", ["why"])
MEMORY_USED = Gauge("classroom_gpu_memory_used_bytes", "Memory in use on a GPU, by all processes", ["device"])
MEMORY = Gauge("classroom_gpu_memory_bytes", "Memory of a GPU", ["device"])
USE = Gauge("classroom_gpu_use_ratio", "Share of time in which something ran on a GPU", ["device"])
WAITED = Histogram(
    "classroom_gpu_wait_seconds",
    "Waiting time of students who started with a GPU",
    buckets=(10, 60, 300, 900, 1800, 3600, 7200, 14400),
)


def update_metrics(snapshot: GpuSnapshot, rules: Collection[Gpu] = ()) -> None:
    """Set the gauges to a snapshot; values that its sample does not know have no metric.

    Args:
        snapshot: the GPUs now.
        rules: all rules of the class, if not only those of the snapshot.
    """
    inventory = snapshot.inventory
    load = device_load(inventory, snapshot.leases)
    DEVICES.set(len(class_device_pool(rules or [snapshot.gpu], inventory)))
    WAITING.set(len(snapshot.queue))
    RESERVED.set(sum(len(claim.identities) for claim in snapshot.claims))
    joined = min((entry.joined for entry in snapshot.queue), default=None)
    WAITING_LONGEST.set(max(0.0, (utc_now() - joined).total_seconds()) if joined else 0)
    for gauge in (LEASES, MEMORY_USED, MEMORY, USE):
        gauge.clear()
    cards = cards_by_device(snapshot.sample, inventory.devices)
    for device in inventory.devices:
        LEASES.labels(device.label).set(load.count(device))
        if card := cards.get(device.name):
            MEMORY_USED.labels(device.label).set(card.memory_used)
            MEMORY.labels(device.label).set(card.memory_total)
            if card.use is not None:
                USE.labels(device.label).set(card.use)
