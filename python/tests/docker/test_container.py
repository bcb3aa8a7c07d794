from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from classroom.docker.container import MPS, Order, container_address, create_arguments
from classroom.docker.features import Feature
from classroom.docker.seccomp import seccomp_profile
from classroom.settings.models import Mps, Network, Student

NETWORK = Network(subnet=IPv4Network("10.9.0.0/28"))
ORDER = Order(name="classroom-ada", user="ada", home="classroom-home-ada", environment={"HOME": "/evil", "A": "1"})


def arguments(**student: Any) -> dict[str, Any]:
    return create_arguments(ORDER, Student(**student), Network())


def test_a_container_can_only_run_notebooks() -> None:
    host = arguments()["host_config"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges", f"seccomp={seccomp_profile()}"]
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


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, "1"), (1.4, "1"), (2, "2"), (3.6, "4")])
def test_libraries_learn_the_limits(cpus: float, threads: str) -> None:
    variables = arguments(cpus=cpus, memory="2G")["environment"]
    assert {variables[name] for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "PYTHON_CPU_COUNT")} == {threads}
    assert (variables["CPU_LIMIT"], variables["MEM_LIMIT"]) == (str(cpus), str(2 * 1024**3))


def test_an_operator_may_choose_another_number_of_threads() -> None:
    variables = arguments(environment={"OMP_NUM_THREADS": "7"})["environment"]
    assert (variables["OMP_NUM_THREADS"], variables["MKL_NUM_THREADS"]) == ("7", "2")


def test_limits_that_the_kernel_counts_by_user_are_lifted_where_the_engine_can() -> None:
    def limits(order: Order) -> dict[str, int]:
        found = create_arguments(order, Student(), Network())["host_config"]["Ulimits"]
        return {limit["Name"]: limit["Hard"] for limit in found}

    shared = {"memlock": -1, "msgqueue": -1, "nproc": -1, "sigpending": -1}
    assert limits(ORDER) == {"core": 0, **shared}
    assert limits(replace(ORDER, missing=frozenset({Feature.RAISED_LIMITS}))) == {"core": 0}


@pytest.mark.attack(68)
def test_without_internet_the_engine_asks_no_name_server_of_the_machine() -> None:
    def asked(network: Network) -> list[str] | None:
        dns: list[str] | None = create_arguments(ORDER, Student(), network)["host_config"].get("Dns")
        return dns

    resolver = IPv4Address("10.0.5.53")
    assert asked(Network()) is None
    assert asked(Network(internet=False)) == ["10.213.0.1"]
    assert asked(Network(internet=False, resolvers=(resolver,))) == [str(resolver)]


def test_the_home_is_a_named_volume_and_nothing_else_is_mounted() -> None:
    (mount,) = arguments()["host_config"]["Mounts"]
    assert (mount["Type"], mount["Source"], mount["Target"]) == ("volume", "classroom-home-ada", "/home/jovyan")


def test_a_home_directory_is_mounted_and_not_created() -> None:
    order = replace(ORDER, home="/srv/homes/classroom-home-ada")
    (mount,) = create_arguments(order, Student(), Network())["host_config"]["Mounts"]
    assert (mount["Type"], mount["Source"]) == ("bind", "/srv/homes/classroom-home-ada")
    assert not mount.get("BindOptions", {}).get("CreateMountpoint")


def test_shared_folders_are_outside_the_home_and_read_only() -> None:
    order = replace(ORDER, shared=(Path("/srv/data/faces"),))
    _, mount = create_arguments(order, Student(), Network())["host_config"]["Mounts"]
    assert (mount["Type"], mount["Source"], mount["Target"]) == ("bind", "/srv/data/faces", "/srv/shared/faces")
    assert mount["ReadOnly"] is True
    assert mount["BindOptions"] == {"Propagation": "rprivate"}


def test_an_mps_client_has_read_only_pipes_and_the_clients_shared_memory() -> None:
    order = replace(ORDER, mps=Mps(enable=True, folder=Path("/run/mps")))
    host = create_arguments(order, Student(), Network())["host_config"]
    found = {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in host["Mounts"]}
    assert found[MPS] == ("/run/mps/pipe", True)
    assert found["/dev/shm"] == ("/run/mps/shm", False)


def test_labels_have_student_image_and_extra_labels() -> None:
    labels = create_arguments(replace(ORDER, labels={"org.classroom.lease": "a"}), Student(), Network())["labels"]
    assert labels["org.classroom.user"] == "ada"
    assert labels["org.classroom.image"] == "classroom-student:latest"
    assert labels["org.classroom.lease"] == "a"


def test_settings_cannot_override_the_servers_variables() -> None:
    made = arguments(environment={"JUPYTER_RUNTIME_DIR": "/home/jovyan", "COURSE": "ml"})["environment"]
    assert made["JUPYTER_RUNTIME_DIR"] == "/tmp/jupyter"
    assert made["COURSE"] == "ml"
    assert made["A"] == "1"


@pytest.mark.attack(71)
def test_devices_are_requested_by_their_cdi_names() -> None:
    names = ("nvidia.com/gpu=0", "amd.com/gpu=1")
    host = create_arguments(replace(ORDER, devices=names), Student(), Network())["host_config"]
    (request,) = host["DeviceRequests"]
    assert (request["Driver"], request["DeviceIDs"]) == ("cdi", list(names))
    assert "DeviceRequests" not in arguments()["host_config"]


def test_each_account_has_an_address_of_its_own() -> None:
    addresses = [container_address(NETWORK, number) for number in range(13)]
    assert len(set(addresses)) == 13
    assert not {NETWORK.gateway, NETWORK.subnet.network_address, NETWORK.subnet.broadcast_address} & set(addresses)
    assert container_address(NETWORK, 13) == addresses[0]
    assert all(address in NETWORK.subnet for address in addresses)


def test_a_container_gets_the_address_of_its_account() -> None:
    order = replace(ORDER, address=container_address(NETWORK, 7))
    config = create_arguments(order, Student(), NETWORK)["networking_config"]["EndpointsConfig"]
    assert config == {"classroom": {"IPAMConfig": {"IPv4Address": "10.9.0.9"}}}
