from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from classroom.docker.container import Order, create_arguments
from classroom.gpus.cdi import CdiDevice
from classroom.gpus.inventory import Inventory, discover
from classroom.gpus.selftest import DriverVersions, driver_problems, selftest_arguments
from classroom.settings.models import Gpu, Settings

GPU = Gpu(policy="exclusive")
ONE = discover([CdiDevice("nvidia.com/gpu", "0", frozenset({"/dev/nvidia0"}), "{}")])
NONE = Inventory()
GOOD = {"ServerVersion": "29.1.2", "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}
DRIVER = DriverVersions("570.86.15", "570.86.15")
NO_DRIVER = DriverVersions(None, None)


@pytest.mark.parametrize(
    ("inventory", "driver", "engine", "expected"),
    [
        (ONE, DRIVER, GOOD, ()),
        (ONE, NO_DRIVER, GOOD, ()),  # another vendor's
        (ONE, DRIVER, GOOD | {"ServerVersion": "20.10.24+dfsg1", "CDISpecDirs": None}, ("update Docker",)),
        (ONE, DRIVER, GOOD | {"CDISpecDirs": []}, ('{"features": {"cdi": true}}',)),
        (NONE, DRIVER, GOOD, ("nvidia-ctk cdi generate",)),
        (NONE, NO_DRIVER, GOOD, ("No driver is loaded either",)),
        (ONE, DriverVersions(None, "570.86.15"), GOOD, ("is not loaded: run modprobe nvidia",)),
        (ONE, DriverVersions("565.57.01", "570.86.15"), GOOD, ("kernel runs driver 565.57.01", "restart the machine")),
    ],
    ids=["well", "no NVIDIA", "old engine", "no CDI", "no specification", "no driver", "not loaded", "mismatch"],
)
def test_each_problem_is_reported_with_its_fix(
    inventory: Inventory, driver: DriverVersions, engine: dict[str, Any], expected: tuple[str, ...]
) -> None:
    problems = driver_problems(GPU, inventory, driver, engine)
    assert len(problems) == bool(expected)
    assert all(part in problems[0] for part in expected)


def test_driver_versions_are_read_from_proc_and_cdi(tmp_path: Path) -> None:
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
    assert DriverVersions.read(gpu, tmp_path) == DriverVersions("570.86.15", "565.57.01")
    assert DriverVersions.read(Gpu(), tmp_path / "nowhere").loaded is None


def test_the_selftest_runs_in_a_students_sandbox(tmp_path: Path) -> None:
    mps = {"enable": True, "folder": str(tmp_path)}
    settings = Settings.model_validate(
        {
            "gpu": {"policy": "shared", "mps": mps},
            "student": {"cpus": 1.5, "memory": "2G", "sharedMemory": "512M", "tmp": "256M", "processes": 100},
        }
    )
    settings.gpu.mps.pipes.mkdir()
    order = Order("c-ada", "ada", "home-ada", environment={}, devices=("nvidia.com/gpu=0",), mps=settings.gpu.mps)
    student = create_arguments(order, settings.student, settings.network)
    test = selftest_arguments(settings, "nvidia.com/gpu=0")
    of_student, of_test = dict(student["host_config"]), dict(test["host_config"])
    assert (of_student.pop("NetworkMode"), of_test.pop("NetworkMode")) == (settings.network.name, "none")
    home, *mounts = of_student.pop("Mounts")
    assert (home["Target"], of_test.pop("Mounts")) == ("/home/jovyan", mounts)
    assert of_student == of_test
    assert {"CpuQuota", "OomScoreAdj", "Sysctls", "PidsLimit", "CapDrop", "SecurityOpt"} <= of_test.keys()
    differing = {key for key in student.keys() | test.keys() if student.get(key) != test.get(key)}
    assert differing == {"name", "command", "environment", "labels", "stop_timeout", "host_config"}
