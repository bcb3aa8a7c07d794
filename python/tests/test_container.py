from __future__ import annotations

from typing import Any

import pytest

from classroom.container import Order, create_arguments, devices
from classroom.settings import Gpu, Network, Student

ORDER = Order(
    name="classroom-ada", user="ada", home_volume="classroom-home-ada", environment={"HOME": "/evil", "A": "1"}
)


def arguments(gpu: Gpu | None = None, **student: Any) -> dict[str, Any]:
    return create_arguments(ORDER, Student(**student), Network(), gpu or Gpu())


def test_a_container_can_do_no_more_than_run_notebooks() -> None:
    host = arguments()["host_config"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"] is True
    assert host["Init"] is True
    assert "Privileged" not in host
    assert "Binds" not in host
    assert arguments()["user"] == "1000:100"


def test_the_limits_are_those_of_the_settings() -> None:
    host = arguments(cpus=1.5, memory="2G", shared_memory="512M", tmp="256M", processes=100)["host_config"]
    assert host["Memory"] == host["MemorySwap"] == 2 * 1024**3
    assert (host["CpuQuota"], host["CpuPeriod"]) == (150_000, 100_000)
    assert host["ShmSize"] == 512 * 1024**2
    assert host["PidsLimit"] == 100
    assert f"size={256 * 1024**2}" in host["Tmpfs"]["/tmp"]


def test_the_home_is_a_named_volume_and_nothing_else_is_mounted() -> None:
    (mount,) = arguments()["host_config"]["Mounts"]
    assert (mount["Type"], mount["Source"], mount["Target"]) == ("volume", "classroom-home-ada", "/home/jovyan")


def test_labels_say_who_which_image_and_which_lease() -> None:
    labels = arguments(Gpu(policy="devices", devices=("0", "1")))["labels"]
    assert labels["org.classroom.user"] == "ada"
    assert labels["org.classroom.image"] == "classroom-student:latest"
    assert labels["org.classroom.lease"] == "nvidia.com/gpu=0,nvidia.com/gpu=1"


def test_the_settings_cannot_take_a_variable_from_the_server() -> None:
    made = arguments(environment={"JUPYTER_RUNTIME_DIR": "/home/jovyan", "COURSE": "ml"})["environment"]
    assert made["JUPYTER_RUNTIME_DIR"] == "/tmp/jupyter"
    assert made["COURSE"] == "ml"
    assert made["A"] == "1"


@pytest.mark.parametrize(
    ("gpu", "names"),
    [
        (Gpu(), ()),
        (Gpu(policy="all"), ("nvidia.com/gpu=all",)),
        (Gpu(policy="devices", devices=("0", "GPU-1a")), ("nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1a")),
        (Gpu(policy="devices", devices=("amd.com/gpu=0",)), ("amd.com/gpu=0",)),
    ],
    ids=["none", "all", "short names", "full names"],
)
def test_policies_become_cdi_devices(gpu: Gpu, names: tuple[str, ...]) -> None:
    assert devices(gpu) == names
    requests = arguments(gpu)["host_config"].get("DeviceRequests")
    assert (requests[0]["DeviceIDs"] if requests else []) == list(names)
