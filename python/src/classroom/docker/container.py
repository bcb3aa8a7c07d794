"""What a student's container is: a pure function from settings to the arguments of `docker create`.

Nothing in here comes from the student: no image, mount, device or variable can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker.types import DeviceRequest, HostConfig, LogConfig, Mount

from classroom.docker.client import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from classroom.settings.models import Mps, Network, Student

HOME = "/home/jovyan"
USER = "1000:100"
"""jovyan of the Jupyter Docker Stacks: the same homes and images run there and on Zero-to-JupyterHub."""
PORT = 8888
MPS = "/run/classroom-mps"
"""Where a container has the pipes of CUDA's Multi-Process Service."""
SHARED = "/srv/shared"
"""Where a container has its shared folders. Not in the home: the engine would make folders of root's there."""
LABEL = "org.classroom."
"""Prefix of the labels from which a hub rebuilds what it knows after any crash."""
GROUPS = LABEL + "groups"
"""The groups by which the server was started, with commas between them."""

_CPU_PERIOD = 100_000  # microseconds, the kernel's default (Documentation/scheduler/sched-bwc.rst)

# All that a server writes beside the student's work is on the tmpfs: a full home still starts, and no cookie secret
# stays in a home.
ENVIRONMENT = {
    "HOME": HOME,
    "SHELL": "/bin/bash",
    "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
    "XDG_CACHE_HOME": "/tmp/cache",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "IPYTHONDIR": "/tmp/ipython",
    "CLASSROOM_SHARED": SHARED,
    # A cache would hold every package twice, in the student's memory.
    "PIP_NO_CACHE_DIR": "1",
}


@dataclass(frozen=True)
class Order:
    """One container to make."""

    name: str
    user: str
    home: str
    """The volume's name, or the path of a folder."""
    environment: Mapping[str, str]
    command: tuple[str, ...] | None = None
    """The server's command line; None means the image's own."""
    devices: tuple[str, ...] = ()
    """CDI names of the devices that the student gets."""
    shared: tuple[Path, ...] = ()
    """Folders of the machine that the student reads, each below `SHARED` by its own name."""
    mps: Mps | None = None
    """CUDA's Multi-Process Service, for who is a client of it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Beside those that every container has."""


def create_arguments(order: Order, student: Student, network: Network) -> dict[str, Any]:
    """Arguments of `docker.APIClient.create_container` for a student's container."""
    host = HostConfig(
        version=API_VERSION,
        auto_remove=True,
        mounts=[
            home_mount(order.home, order.user),
            *map(_shared, order.shared),
            *(mps_mounts(order.mps) if order.mps else ()),
        ],
        network_mode=network.name,
        dns=[str(address) for address in network.resolvers] or None,
        read_only=True,
        # exec: torch.compile and numba run what they compile there.
        tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={student.tmp},mode=1777"},
        shm_size=student.shared_memory,
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=student.processes,
        mem_limit=student.memory,
        memswap_limit=student.memory,
        cpu_period=_CPU_PERIOD,
        cpu_quota=int(student.cpus * _CPU_PERIOD),
        # When the machine itself runs out of memory, a student's process goes before the hub and the engine do.
        oom_score_adj=500,
        sysctls={"net.ipv6.conf.all.disable_ipv6": "1"},
        log_config=LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
        device_requests=[DeviceRequest(driver="cdi", device_ids=list(order.devices))] if order.devices else None,
    )
    return {
        "name": order.name,
        "image": student.image,
        "command": list(order.command) if order.command else None,
        "user": USER,
        "working_dir": HOME,
        "environment": dict(student.environment) | ENVIRONMENT | dict(order.environment),
        "labels": {
            LABEL + "user": order.user,
            LABEL + "network": network.name,
            LABEL + "image": student.image,
        }
        | dict(order.labels),
        "stop_timeout": student.stop_timeout,
        "host_config": host,
    }


def listed(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    """What a label lists, with commas between; nothing if the label is not there."""
    return tuple(part for part in labels.get(name, "").split(",") if part)


def home_mount(home: str, user: str) -> Mount:
    """The home as a container has it: a volume by its name, or the path of a folder."""
    if home.startswith("/"):
        # The engine refuses a folder that is not there; nobody but the root helper makes homes.
        return Mount(HOME, home, type="bind", propagation="rprivate")
    return Mount(HOME, home, type="volume", labels={LABEL + "user": user})


def mps_mounts(mps: Mps) -> tuple[Mount, Mount]:
    """What a client of CUDA's Multi-Process Service has: its pipes, never changed, and all clients' /dev/shm."""
    pipe, shm = str(mps.pipes), str(mps.shared_memory)
    return (
        Mount(MPS, pipe, type="bind", read_only=True, propagation="rprivate"),
        Mount("/dev/shm", shm, type="bind", propagation="rprivate"),
    )


def _shared(folder: Path) -> Mount:
    # Read-only for what is mounted below it too, which takes a private mount. The engine refuses what is not there.
    return Mount(f"{SHARED}/{folder.name}", str(folder), type="bind", read_only=True, propagation="rprivate")
