"""Machines for the tests, as their drivers describe them."""

from __future__ import annotations

import json
from typing import Any

from classroom.gpus.cdi import parse_specification
from classroom.gpus.inventory import Inventory, discover


def nvidia(cards: int, *, uuids: bool = False) -> dict[str, Any]:
    """What nvidia-ctk writes: an "all", an index for each card and, if told, its UUID for the same files."""
    devices = [_device("all", *[f"/dev/nvidia{card}" for card in range(cards)])]
    for card in range(cards):
        devices.append(_device(str(card), f"/dev/nvidia{card}"))
        if uuids:
            devices.append(_device(f"GPU-{card:08x}", f"/dev/nvidia{card}", "/dev/dri/card1"))
    return spec(devices)


def with_mig(cards: int, instances: int) -> dict[str, Any]:
    """Cards of which the first is divided."""
    parts = [
        _device(f"0:{part}", "/dev/nvidia0", f"/dev/nvidia-caps/nvidia-cap{20 + part}") for part in range(instances)
    ]
    whole = nvidia(cards)
    return whole | {"devices": [*whole["devices"], *parts]}


def spec(devices: list[dict[str, Any]], kind: str = "nvidia.com/gpu") -> dict[str, Any]:
    return {
        "cdiVersion": "0.6.0",
        "kind": kind,
        "containerEdits": {"deviceNodes": [{"path": "/dev/nvidiactl"}]},
        "devices": devices,
    }


def fake(count: int) -> dict[str, Any]:
    """The test stack's: no files, a variable each."""
    return spec([{"name": str(n), "containerEdits": {"env": [f"FAKE_GPU={n}"]}} for n in range(count)])


def inventory(*specs: dict[str, Any]) -> Inventory:
    return discover(device for each in specs for device in parse_specification(json.dumps(each), is_yaml=False))


def _device(name: str, *paths: str) -> dict[str, Any]:
    return {"name": name, "containerEdits": {"deviceNodes": [{"path": path} for path in paths]}}
