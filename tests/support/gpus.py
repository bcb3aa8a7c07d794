"""GPU machines as their drivers describe them, and leases on their devices."""

from __future__ import annotations

import json
from typing import Any

from classroom.gpus.allocation import student_limit
from classroom.gpus.cdi import parse_specification
from classroom.gpus.inventory import Inventory, discover
from classroom.gpus.leases import Lease
from classroom.settings.models import Gpu

_EXCLUSIVE = Gpu(policy="exclusive")


def nvidia(cards: int, *, uuids: bool = False) -> dict[str, Any]:
    """Return what nvidia-ctk writes: an "all", an index for each card and, if wanted, its UUID for the same files."""
    devices = [_device("all", *[f"/dev/nvidia{card}" for card in range(cards)])]
    for card in range(cards):
        devices.append(_device(str(card), f"/dev/nvidia{card}"))
        if uuids:
            devices.append(_device(f"GPU-{card:08x}", f"/dev/nvidia{card}", "/dev/dri/card1"))
    return spec(devices)


def with_mig(cards: int, instances: int) -> dict[str, Any]:
    """Return cards of which the first is divided."""
    parts = [
        _device(f"0:{part}", "/dev/nvidia0", f"/dev/nvidia-caps/nvidia-cap{20 + part}") for part in range(instances)
    ]
    undivided = nvidia(cards)
    return undivided | {"devices": [*undivided["devices"], *parts]}


def spec(devices: list[dict[str, Any]], kind: str = "nvidia.com/gpu") -> dict[str, Any]:
    """Return a CDI specification of these devices."""
    return {
        "cdiVersion": "0.6.0",
        "kind": kind,
        "containerEdits": {"deviceNodes": [{"path": "/dev/nvidiactl"}]},
        "devices": devices,
    }


def fake(count: int) -> dict[str, Any]:
    """Return the specification of the test stack: no files, a variable for each device."""
    return spec([{"name": str(n), "containerEdits": {"env": [f"FAKE_GPU={n}"]}} for n in range(count)])


def inventory(*specs: dict[str, Any]) -> Inventory:
    """Return the inventory of a machine with these CDI specifications."""
    return discover(
        device for specification in specs for device in parse_specification(json.dumps(specification), is_yaml=False)
    )


def lease(name: str, *numbers: int, gpu: Gpu = _EXCLUSIVE, since: int = 0) -> Lease:
    """Return the lease of a student on these devices, by the rules of `gpu`; `since` in seconds since 1970."""
    devices = tuple(f"nvidia.com/gpu={number}" for number in numbers)
    exclusive = gpu.policy == "exclusive"
    return Lease(name, devices, exclusive=exclusive, since=since, container=f"c-{name}", limit=student_limit(gpu))


def _device(name: str, *paths: str) -> dict[str, Any]:
    return {"name": name, "containerEdits": {"deviceNodes": [{"path": path} for path in paths]}}
