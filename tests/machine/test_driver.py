"""NVIDIA's driver that hangs at boot: the class works without GPUs, and gets them when the driver works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machine.machine import machine
from machine.systems import build_system
from support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

GENERATOR = "nvidia-container-toolkit-cdi-generator"
DEVICE = "docker run --rm --device nvidia.com/gpu=0 $(docker image ls --quiet | head -n 1) sh -c 'echo $SIMULATED_GPU'"


def test_a_driver_that_hangs_keeps_nobody_waiting_and_its_gpus_appear_later(root: Path, tmp_path: Path) -> None:
    with machine(tmp_path, root, build_system("gpu", "./hanging.nix")) as made:
        for unit in ("docker", "classroom-hub", "nginx", "classroom-images"):
            made.wait_for_unit(unit)
        assert made.unit(GENERATOR, "Result") == "timeout"
        assert any(GENERATOR in found["says"] for found in made.problems())
        made.run("touch", "/var/lib/driver-works")
        made.run("systemctl", "restart", GENERATOR)
        assert made.shell(DEVICE) == "0\n"
        wait_until(lambda: not any(GENERATOR in found["says"] for found in made.problems()), "no problem is left", 30)
