"""`classroom gpus test`: does a student's container compute on the GPUs, and if not, why not, in plain words."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
from docker.types import DeviceRequest, HostConfig
from rich.table import Table
from rich.text import Text

from classroom.docker.client import API_VERSION, EngineSilentError
from classroom.docker.container import ENVIRONMENT, HOME, LABEL, MPS, USER, mps_mounts
from classroom.errors import ClassroomError
from classroom.gpus.allocation import device_pool, leased_identities
from classroom.gpus.inventory import cdi_cache_at
from classroom.gpus.leases import LEASE, leases
from classroom.gpus.mps import client_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from classroom.gpus.inventory import Inventory
    from classroom.settings.models import Gpu, Settings

_PROGRAM = ["/opt/classroom/bin/python", "-I", "-m", "classroom.student.gpu"]
_BOUND = 180  # seconds: PyTorch reads gigabytes from the disk the first time
_OLDEST_ENGINE = 26  # the first with CDI devices that docker-py's requests can name


@dataclass(frozen=True)
class Outcome:
    """What came of one trial."""

    device: str
    """What people call the GPU; the student's name where a student's own server was asked."""
    works: bool
    said: str
    """What the container said, or why there was nothing to hear."""
    holder: str = ""
    """Who has the GPU at the moment, and shared it with the trial."""


@dataclass(frozen=True)
class Machine:
    """What can be read of a machine's driver without a GPU's help."""

    loaded: str | None
    """Version of the kernel module that runs; None without one."""
    library: str | None
    """Version of the driver's library that the specification puts into containers."""

    @staticmethod
    def look(gpu: Gpu, proc: Path = Path("/proc")) -> Machine:
        """Read them."""
        return Machine(_loaded(proc), _library(gpu.cdi_dirs))


def explain(gpu: Gpu, inventory: Inventory, machine: Machine, engine: dict[str, Any]) -> tuple[str, ...]:
    """Why no container can have a GPU, or it will not work there: a sentence each, with what mends it.

    Args:
        gpu: the settings.
        inventory: what the specifications name.
        machine: the driver.
        engine: what `docker info` says.
    """
    said = list(inventory.problems)
    version = str(engine.get("ServerVersion", ""))
    if (major := re.match(r"\d+", version)) and int(major[0]) < _OLDEST_ENGINE:
        said.append(f"The Docker engine is {version}, and GPUs need {_OLDEST_ENGINE} or newer: update Docker.")
    elif not engine.get("CDISpecDirs"):
        said.append(
            'The Docker engine takes no CDI devices: write {"features": {"cdi": true}} into its daemon.json and '
            "restart it."
        )
    if not inventory.devices:
        places = ", ".join(map(str, gpu.cdi_dirs))
        said.append(
            f"No specification in {places} names a GPU. "
            + (
                "NVIDIA's driver is loaded: run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (on NixOS: "
                "systemctl restart nvidia-container-toolkit-cdi-generator)."
                if machine.loaded
                else "No driver is loaded either: install NVIDIA's driver, or load it (modprobe nvidia)."
            )
        )
    elif machine.library and machine.loaded is None:
        said.append("The specification is NVIDIA's, and its driver is not loaded: modprobe nvidia, or restart.")
    elif machine.library and machine.library != machine.loaded:
        said.append(
            f"The kernel runs driver {machine.loaded}, and containers get the libraries of {machine.library}: restart "
            "the machine."
        )
    return tuple(said)


def trials(settings: Settings, student: str | None = None) -> Iterator[Outcome]:
    """Try each GPU in a container of the students' image, or ask a student's own server.

    Raises:
        ClassroomError: nothing can be tried; the message says all that is wrong.
    """
    client = docker.APIClient(base_url=settings.docker.host, version=API_VERSION, timeout=_BOUND + 10)
    inventory = cdi_cache_at(settings.gpu.cdi_dirs).read()
    try:
        wrong = explain(settings.gpu, inventory, Machine.look(settings.gpu), client.info())
        if student is not None:
            yield _ask(client, settings, student)
            return
        if not inventory.devices:
            raise ClassroomError("\n".join(wrong))
        found = leases(client.containers(all=True, filters={"label": [LEASE]}))
        for device in device_pool(settings.gpu, inventory):
            holders = [lease.holder for lease in found if device.identity in leased_identities(inventory, lease)]
            works, said = _try(client, settings, device.name)
            # What is wrong with the machine explains what a container could not do; of what works nobody asks why.
            said = said if works else "\n".join([said, *wrong])
            yield Outcome(device.label, works, said, ", ".join(sorted(holders)))
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EngineSilentError(settings.docker.host, error) from error


def _try(client: Any, settings: Settings, device: str) -> tuple[bool, str]:  # noqa: ANN401 - docker-py is untyped
    student, mps = settings.student, settings.gpu.mps
    is_client = settings.gpu.uses_mps and mps.pipes.is_dir()
    host = HostConfig(
        version=API_VERSION,
        network_mode="none",
        read_only=True,
        tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={student.tmp},mode=1777"},
        shm_size=student.shared_memory,
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=student.processes,
        mem_limit=student.memory,
        memswap_limit=student.memory,
        device_requests=[DeviceRequest(driver="cdi", device_ids=[device])],
        mounts=list(mps_mounts(mps)) if is_client else None,
    )
    try:
        made = client.create_container(
            image=student.image,
            command=_PROGRAM,
            user=USER,
            working_dir=HOME,
            environment=dict(student.environment)
            | ENVIRONMENT
            | (client_environment(mps, MPS, 1) if is_client else {}),
            labels={LABEL + "trial": device},
            host_config=host,
        )
    except docker.errors.ImageNotFound:
        return False, f"The image {student.image} is not on this machine: load it, or mend student.image."
    try:
        client.start(made)
        status = client.wait(made, timeout=_BOUND)["StatusCode"]
        said = client.logs(made).decode(errors="replace").strip()
    except docker.errors.APIError as error:
        return False, f"The engine cannot attach it: {error.explanation}"
    except requests.exceptions.ConnectionError:
        return False, f"It did not answer within {_BOUND} seconds."
    finally:
        client.remove_container(made, force=True)
    return status == 0, said or f"The program ended with {status} and said nothing."


def _ask(client: Any, settings: Settings, student: str) -> Outcome:  # noqa: ANN401
    filters = {"label": [f"{LABEL}user={student}", f"{LABEL}network={settings.network.name}"]}
    running = client.containers(filters=filters)
    if not running:
        raise ClassroomError(
            f"{student} has no server now: leave the name out to try every GPU in a container of its own"
        )
    # Not isolated: what the student has installed counts.
    made = client.exec_create(running[0]["Id"], [_PROGRAM[0], *_PROGRAM[2:]], user=USER, workdir=HOME)
    said = client.exec_start(made).decode(errors="replace").strip()
    return Outcome(student, client.exec_inspect(made)["ExitCode"] == 0, said)


def table(outcomes: Iterable[Outcome]) -> Table:
    """For people."""
    shown = Table("GPU", "", "What a student's container says", box=None)
    for each in outcomes:
        verdict = Text("works", "green") if each.works else Text("does not work", "red")
        note = f"\nIn use by {each.holder} meanwhile." if each.holder else ""
        shown.add_row(each.device, verdict, Text(each.said + note))
    return shown


def as_data(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """For `--json`."""
    return [asdict(each) for each in outcomes]


def _loaded(proc: Path) -> str | None:
    """Version in a line such as `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build`."""
    try:
        text = (proc / "driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""


def _library(folders: Iterable[Path]) -> str | None:
    for folder in folders:
        for path in sorted(folder.glob("*.json")) + sorted(folder.glob("*.yaml")):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if found := re.search(r"libcuda\.so\.(\d+\.\d+(?:\.\d+)?)", text):
                return found[1]
    return None
