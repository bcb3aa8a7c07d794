"""GPU self-test (`classroom gpus test`): whether a student's container computes on each GPU, and if not, why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
from rich.table import Table
from rich.text import Text

from classroom.docker.client import connect
from classroom.docker.container import HOME, LABEL, MPS, USER, base_environment, sandbox
from classroom.docker.features import Feature, missing_feature
from classroom.errors import ClassroomError
from classroom.gpus.allocation import device_pool, leased_identities
from classroom.gpus.inventory import cdi_cache_at
from classroom.gpus.leases import LEASE, leases_of
from classroom.gpus.mps import client_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from classroom.gpus.inventory import Inventory
    from classroom.settings.models import Gpu, Settings

_PROGRAM = ["/opt/classroom/bin/python", "-I", "-m", "classroom.student.gpu"]
_TIMEOUT = 180  # seconds: PyTorch reads gigabytes from the disk the first time
_MIN_ENGINE = 26  # the first with CDI devices that docker-py's requests can name


@dataclass(frozen=True)
class TestResult:
    """The result of one GPU, or of a student's server."""

    __test__ = False  # no class of pytest

    device: str
    """The GPU's label; the student's name for a student's server."""
    works: bool
    output: str
    """The output of the container, or why there is none."""
    holder: str = ""
    """Students who used the GPU during the test."""

    def as_data(self) -> dict[str, Any]:
        """Return the entry of `--json`."""
        return {"device": self.device, "works": self.works, "said": self.output, "holder": self.holder}


@dataclass(frozen=True)
class DriverVersions:
    """Versions of NVIDIA's driver on the machine."""

    loaded: str | None
    """Of the loaded kernel module; None without one."""
    library: str | None
    """Of the library that the CDI specification mounts into containers."""

    @staticmethod
    def read(gpu: Gpu, proc: Path = Path("/proc")) -> DriverVersions:
        """Return the versions of this machine."""
        return DriverVersions(_loaded(proc), _library(gpu.cdi_dirs))


def driver_problems(gpu: Gpu, inventory: Inventory, driver: DriverVersions, engine: dict[str, Any]) -> tuple[str, ...]:
    """Return why no container can use a GPU, with the fix of each problem.

    Args:
        gpu: the settings.
        inventory: of the CDI specifications.
        driver: its versions.
        engine: the answer of `docker info`.
    """
    problems = list(inventory.problems)
    version = str(engine.get("ServerVersion", ""))
    if (major := re.match(r"\d+", version)) and int(major[0]) < _MIN_ENGINE:
        problems.append(f"The Docker engine is {version}, but GPUs need {_MIN_ENGINE} or newer: update Docker.")
    elif not engine.get("CDISpecDirs"):
        problems.append(
            'The Docker engine supports no CDI devices: write {"features": {"cdi": true}} into its daemon.json and '
            "restart it."
        )
    if not inventory.devices:
        directories = ", ".join(map(str, gpu.cdi_dirs))
        problems.append(
            f"No specification in {directories} names a GPU. "
            + (
                "NVIDIA's driver is loaded: run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (on NixOS: "
                "systemctl restart nvidia-container-toolkit-cdi-generator)."
                if driver.loaded
                else "No driver is loaded either: install NVIDIA's driver, or load it (modprobe nvidia)."
            )
        )
    elif driver.library and driver.loaded is None:
        problems.append(
            "The specification is NVIDIA's, but its driver is not loaded: run modprobe nvidia, or restart the machine."
        )
    elif driver.library and driver.library != driver.loaded:
        problems.append(
            f"The kernel runs driver {driver.loaded}, but containers get the libraries of {driver.library}: restart "
            "the machine."
        )
    return tuple(problems)


def run_selftest(settings: Settings, student: str | None = None) -> Iterator[TestResult]:
    """Test each GPU in a container like a student's, or run the test in a student's server.

    Raises:
        ClassroomError: nothing can be tested; the message names every problem.
    """
    inventory = cdi_cache_at(settings.gpu.cdi_dirs).read()
    with connect(settings.docker.host, _TIMEOUT + 10) as client:
        problems = driver_problems(settings.gpu, inventory, DriverVersions.read(settings.gpu), client.info())
        if student is not None:
            yield _test_server(client, settings, student)
            return
        if not inventory.devices:
            raise ClassroomError("\n".join(problems))
        leases = leases_of(client.containers(all=True, filters={"label": [LEASE]}))
        for device in device_pool(settings.gpu, inventory):
            holders = [lease.holder for lease in leases if device.identity in leased_identities(inventory, lease)]
            works, output = _test_device(client, settings, device.name)
            # Problems of the machine explain a failure only.
            output = output if works else "\n".join([output, *problems])
            yield TestResult(device.label, works, output, ", ".join(sorted(holders)))


def selftest_arguments(settings: Settings, device: str, missing: frozenset[Feature] = frozenset()) -> dict[str, Any]:
    """Return the arguments of `docker.APIClient.create_container` for the test of a device (CDI name).

    The container differs from a student's in name, home, network, labels and removal only.
    """
    student, mps = settings.student, settings.gpu.mps
    client = mps if settings.gpu.uses_mps and mps.pipes.is_dir() else None
    return {
        "image": student.image,
        "command": _PROGRAM,
        "user": USER,
        "working_dir": HOME,
        "environment": base_environment(student) | (client_environment(mps, MPS, 1) if client else {}),
        "labels": {LABEL + "trial": device},
        "host_config": sandbox(student, [device], mps=client, missing=missing, network_mode="none"),
    }


def _test_device(
    client: Any,  # noqa: ANN401 - docker-py is untyped
    settings: Settings,
    device: str,
    missing: frozenset[Feature] = frozenset(),
) -> tuple[bool, str]:
    try:
        container = client.create_container(**selftest_arguments(settings, device, missing))
    except docker.errors.ImageNotFound:
        return False, f"The image {settings.student.image} is not on this machine: load it, or correct student.image."
    try:
        client.start(container)
        status = client.wait(container, timeout=_TIMEOUT)["StatusCode"]
        output = client.logs(container).decode(errors="replace").strip()
    except docker.errors.APIError as error:
        feature = missing_feature(str(error.explanation))
        if feature and feature not in missing:
            return _test_device(client, settings, device, missing | {feature})
        return False, f"The engine cannot attach it: {error.explanation}"
    except requests.exceptions.ConnectionError:
        return False, f"It did not answer within {_TIMEOUT} seconds."
    finally:
        client.remove_container(container, force=True)
    return status == 0, output or f"The program ended with {status} and without output."


def _test_server(client: Any, settings: Settings, student: str) -> TestResult:  # noqa: ANN401
    filters = {"label": [f"{LABEL}user={student}", f"{LABEL}network={settings.network.name}"]}
    running = client.containers(filters=filters)
    if not running:
        raise ClassroomError(f"{student} has no server now. Leave the name out to test every GPU in a new container")
    # Not isolated: the student's own packages count.
    execution = client.exec_create(running[0]["Id"], [_PROGRAM[0], *_PROGRAM[2:]], user=USER, workdir=HOME)
    output = client.exec_start(execution).decode(errors="replace").strip()
    return TestResult(student, client.exec_inspect(execution)["ExitCode"] == 0, output)


def selftest_table(results: Iterable[TestResult]) -> Table:
    """Return the results as a table for the terminal."""
    table = Table("GPU", "", "Output of a student's container", box=None)
    for result in results:
        verdict = Text("works", "green") if result.works else Text("does not work", "red")
        note = f"\nIn use by {result.holder} during the test." if result.holder else ""
        table.add_row(result.device, verdict, Text(result.output + note))
    return table


def _loaded(proc: Path) -> str | None:
    """Return the version in text like `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release`."""
    try:
        text = (proc / "driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return match[1] if match else ""


def _library(directories: Iterable[Path]) -> str | None:
    for directory in directories:
        for path in sorted(directory.glob("*.json")) + sorted(directory.glob("*.yaml")):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if match := re.search(r"libcuda\.so\.(\d+\.\d+(?:\.\d+)?)", text):
                return match[1]
    return None
