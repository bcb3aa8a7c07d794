from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from classroom.gpus.cdi import CdiDevice
from classroom.gpus.inventory import Inventory, discover
from classroom.gpus.selftest import Machine, explain
from classroom.settings.models import Gpu

GPU = Gpu(policy="exclusive")
ONE = discover([CdiDevice("nvidia.com/gpu", "0", frozenset({"/dev/nvidia0"}), "{}")])
NONE = Inventory()
GOOD = {"ServerVersion": "29.1.2", "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}
DRIVER = Machine("570.86.15", "570.86.15")
NO_DRIVER = Machine(None, None)


@pytest.mark.parametrize(
    ("inventory", "machine", "engine", "expected"),
    [
        (ONE, DRIVER, GOOD, ()),
        (ONE, NO_DRIVER, GOOD, ()),  # another vendor's
        (ONE, DRIVER, GOOD | {"ServerVersion": "20.10.24+dfsg1", "CDISpecDirs": None}, ("update Docker",)),
        (ONE, DRIVER, GOOD | {"CDISpecDirs": []}, ('{"features": {"cdi": true}}',)),
        (NONE, DRIVER, GOOD, ("nvidia-ctk cdi generate",)),
        (NONE, NO_DRIVER, GOOD, ("No driver is loaded either",)),
        (ONE, Machine(None, "570.86.15"), GOOD, ("is not loaded: modprobe nvidia",)),
        (ONE, Machine("565.57.01", "570.86.15"), GOOD, ("kernel runs driver 565.57.01", "restart the machine")),
    ],
    ids=["well", "no NVIDIA", "old engine", "no CDI", "no specification", "no driver", "not loaded", "mismatch"],
)
def test_what_is_wrong_is_said_with_what_mends_it(
    inventory: Inventory, machine: Machine, engine: dict[str, Any], expected: tuple[str, ...]
) -> None:
    said = explain(GPU, inventory, machine, engine)
    assert len(said) == bool(expected)
    assert all(each in said[0] for each in expected)


def test_the_drivers_versions_are_read_where_the_driver_says_them(tmp_path: Path) -> None:
    (tmp_path / "driver/nvidia").mkdir(parents=True)
    (tmp_path / "driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder)  Thu\n"
        "GCC version:  gcc version 14.2.1\n"
    )
    specs = tmp_path / "cdi"
    specs.mkdir()
    (specs / "nvidia.yaml").write_text("mounts:\n- hostPath: /usr/lib/libcuda.so.565.57.01\n")
    (specs / "broken.json").write_bytes(b"\xff")
    gpu = Gpu(policy="all", cdi_dirs=(tmp_path / "absent", specs))
    assert Machine.look(gpu, tmp_path) == Machine("570.86.15", "565.57.01")
    assert Machine.look(Gpu(), tmp_path / "nowhere").loaded is None
