"""Student containers: a pure function from settings to the arguments of `docker create`.

Nothing in it comes from the student, who can choose no image, mount, device or variable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker.types import DeviceRequest, HostConfig, LogConfig, Mount, Ulimit

from classroom.docker.client import API_VERSION
from classroom.docker.features import Feature
from classroom.docker.seccomp import seccomp_profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Address
    from pathlib import Path

    from classroom.settings.models import Mps, Network, Student

HOME = "/home/jovyan"
USER = "1000:100"
"""jovyan of the Jupyter Docker Stacks: the same homes and images run there and on Zero-to-JupyterHub."""
PORT = 8888
MPS = "/run/classroom-mps"
"""The directory of CUDA's Multi-Process Service in a container."""
SHARED = "/srv/shared"
"""The shared folders in a container. Not in the home: the engine would create directories of root there."""
LABEL = "org.classroom."
"""Prefix of the labels from which a hub restores its state after a crash."""
KEEP = LABEL + "keep"
"""Label of what commands that clean up leave, if they have `--filter label!=org.classroom.keep`."""
GROUPS = LABEL + "groups"
"""The groups of the student at the start, separated by commas."""
TEMPLATE = LABEL + "template"
"""Label of a container that never starts: the home of its image is copied into a new directory."""

_CPU_PERIOD = 100_000  # microseconds, the kernel's default (Documentation/scheduler/sched-bwc.rst)

# With a core_pattern that begins with a pipe (systemd-coredump), the host runs a program of root on each core dump and
# stores it outside the student's limits (core(5)): `_ulimits` sets it to 0. The limit of open files is left out: an
# engine whose own one is lower would start no container.
SHARED_LIMITS = ("memlock", "msgqueue", "nproc", "sigpending")
"""Limits that the kernel counts by user, who is the same for all students (getrlimit(2)): one student would take from
all. Without them, the memory and the number of processes of each container are the limits."""

# A server's own files are on the tmpfs: a server with a full home still starts, and no home keeps a cookie secret.
ENVIRONMENT = {
    "HOME": HOME,
    "SHELL": "/bin/bash",
    "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
    "XDG_CACHE_HOME": "/tmp/cache",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "IPYTHONDIR": "/tmp/ipython",
    "CLASSROOM_SHARED": SHARED,
    # A cache would keep every package twice, in the student's memory.
    "PIP_NO_CACHE_DIR": "1",
}

# Libraries count the machine's cores and start a thread for each: with two cores of 64, most of these threads wait.
_THREADS = (
    "OMP_NUM_THREADS",  # OpenMP, and with it PyTorch, scikit-learn and FAISS
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",  # joblib
    "PYTHON_CPU_COUNT",  # os.cpu_count() of Python 3.13
)


def base_environment(student: Student) -> dict[str, str]:
    """Return the environment variables of every container with the settings of these students."""
    return limit_variables(student) | dict(student.environment) | ENVIRONMENT


def limit_variables(student: Student) -> dict[str, str]:
    """Return the environment variables by which programs learn the limits of their container.

    `CPU_LIMIT` (cores) and `MEM_LIMIT` (bytes) are JupyterHub's (https://jupyterhub.readthedocs.io,
    `Spawner.cpu_limit`); jupyter-resource-usage reads them.
    """
    threads = str(max(1, round(student.cpus)))
    return {"CPU_LIMIT": f"{student.cpus:g}", "MEM_LIMIT": str(student.memory)} | dict.fromkeys(_THREADS, threads)


@dataclass(frozen=True)
class Order:
    """One container to create."""

    name: str
    user: str
    home: str
    """The name of a volume, or the path of a directory."""
    environment: Mapping[str, str]
    command: tuple[str, ...] | None = None
    """The server's command line; None for the image's own."""
    devices: tuple[str, ...] = ()
    """CDI names of the devices that the student gets."""
    shared: tuple[Path, ...] = ()
    """Directories of the machine that the student can read, each below `SHARED` by its own name."""
    mps: Mps | None = None
    """CUDA's Multi-Process Service, for its clients."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """In addition to those of every container."""
    missing: frozenset[Feature] = frozenset()
    """What the machine does not have."""
    address: IPv4Address | None = None
    """Address on the class bridge; None for one that the engine chooses."""


def container_address(network: Network, number: int) -> IPv4Address:
    """Return the address for a student's container. It is the same at each start.

    The engine gives the address of a container that has just ended to the next one. Requests for the student of the
    first, with cookies and unsaved work, would arrive there until the proxy's route is removed.

    Args:
        network: the class bridge.
        number: of the student's account; numbers above the size of the subnet begin again.
    """
    # Without the address of the network, its gateway and the broadcast address.
    return network.subnet[2 + number % (network.subnet.num_addresses - 3)]


def create_arguments(order: Order, student: Student, network: Network) -> dict[str, Any]:
    """Return the arguments of `docker.APIClient.create_container` for a student's container."""
    mounts = [home_mount(order.home, order.user), *map(_shared_mount, order.shared)]
    dns = [str(address) for address in name_servers(network)] or None
    own = {"network_mode": network.name, "dns": dns}
    host = sandbox(student, order.devices, mounts, order.mps, missing=order.missing, **own)
    return {
        "name": order.name,
        "image": student.image,
        "command": list(order.command) if order.command else None,
        "user": USER,
        "working_dir": HOME,
        "environment": base_environment(student) | dict(order.environment),
        "labels": {
            LABEL + "user": order.user,
            LABEL + "network": network.name,
            LABEL + "image": student.image,
        }
        | dict(order.labels),
        "stop_timeout": student.stop_timeout,
        "host_config": host,
        **_at_address(order.address, network),
    }


def _at_address(address: IPv4Address | None, network: Network) -> dict[str, Any]:
    if address is None:
        return {}
    endpoint = {"IPAMConfig": {"IPv4Address": str(address)}}
    return {"networking_config": {"EndpointsConfig": {network.name: endpoint}}}


def template_arguments(image: str, network: Network) -> dict[str, Any]:
    """Return the arguments of `docker.APIClient.create_container` for a container whose image's home is copied."""
    return {
        "image": image,
        "labels": {LABEL + "network": network.name, TEMPLATE: "home"},
        "network_disabled": True,
        "host_config": HostConfig(version=API_VERSION, network_mode="none", cap_drop=["ALL"]),
    }


def name_servers(network: Network) -> tuple[IPv4Address, ...]:
    """Return the name servers that the engine's own one in a container asks; empty: those of the machine.

    A name server on the machine's loopback is asked by the engine, from the machine, which no rule of the bridge stops:
    names would carry data out of a class without internet. There, the gateway takes the place. It refuses port 53, or
    is the name server of the allowed domains.
    """
    if not network.domains and (network.resolvers or network.internet):
        return network.resolvers
    return (network.gateway,)


def sandbox(
    student: Student,
    devices: Sequence[str],
    mounts: Sequence[Mount] = (),
    mps: Mps | None = None,
    *,
    missing: frozenset[Feature] = frozenset(),
    **own: Any,  # noqa: ANN401 - docker-py is untyped
) -> HostConfig:
    """Return the host configuration that limits and isolates a student's programs.

    Students' servers and `classroom gpus test` share it: a GPU that works in the test works for students.

    Args:
        student: the limits.
        devices: CDI names of the GPUs.
        mounts: those other than the mounts of CUDA's Multi-Process Service.
        mps: that service, for its clients.
        missing: what the machine does not have, and the container therefore does not ask for.
        own: the arguments in which the two differ: network and removal.
    """
    return HostConfig(
        version=API_VERSION,
        mounts=[*mounts, *(mps_mounts(mps) if mps else ())],
        read_only=True,
        # exec: torch.compile and numba run compiled code there.
        tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={student.tmp},mode=1777"},
        shm_size=student.shared_memory,
        init=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges", f"seccomp={seccomp_profile()}"],
        pids_limit=student.processes,
        ulimits=_ulimits(raises_limits=Feature.RAISED_LIMITS not in missing),
        mem_limit=student.memory,
        memswap_limit=student.memory,
        cpu_period=_CPU_PERIOD,
        cpu_quota=int(student.cpus * _CPU_PERIOD),
        # When the machine runs out of memory, the kernel ends a student's process before the hub and the engine.
        oom_score_adj=500,
        sysctls=None if Feature.IPV6 in missing else {"net.ipv6.conf.all.disable_ipv6": "1"},
        log_config=LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
        device_requests=[DeviceRequest(driver="cdi", device_ids=list(devices))] if devices else None,
        **own,
    )


def _ulimits(*, raises_limits: bool) -> list[Ulimit]:
    shared = [Ulimit(name=name, soft=-1, hard=-1) for name in SHARED_LIMITS] if raises_limits else []
    return [Ulimit(name="core", soft=0, hard=0), *shared]


def split_label(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the parts of a label with commas; empty without the label."""
    return tuple(part for part in labels.get(name, "").split(",") if part)


def home_mount(home: str, user: str) -> Mount:
    """Return the mount of a home: a volume by its name, or the path of a directory."""
    if home.startswith("/"):
        # The engine refuses a missing directory; only the root helper creates homes.
        return Mount(HOME, home, type="bind", propagation="rprivate")
    return Mount(HOME, home, type="volume", labels=home_labels(user))


def home_labels(user: str) -> dict[str, str]:
    """Return the labels of a home's volume, of an account by its name."""
    return {LABEL + "user": user, KEEP: "home"}


def mps_mounts(mps: Mps) -> tuple[Mount, Mount]:
    """Return the mounts of a client of CUDA's Multi-Process Service: its pipes, read-only, and their /dev/shm."""
    pipe, shm = str(mps.pipes), str(mps.shared_memory)
    return (
        Mount(MPS, pipe, type="bind", read_only=True, propagation="rprivate"),
        Mount("/dev/shm", shm, type="bind", propagation="rprivate"),
    )


def _shared_mount(directory: Path) -> Mount:
    # Private, so that mounts below it are read-only too. The engine refuses a missing directory.
    return Mount(f"{SHARED}/{directory.name}", str(directory), type="bind", read_only=True, propagation="rprivate")
