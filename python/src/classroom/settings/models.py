"""settings.json: the one contract between Nix, the hub, the CLI and the tests.

Keys are camelCase as in the NixOS options of the same names; attributes are snake_case. `classroom.settings.types` says
what values are, `classroom.settings.file` reads the file.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from classroom.settings.groups import gpu_rules, mistakes
from classroom.settings.types import (
    AccountName,
    Duration,
    GroupName,
    Image,
    Listen,
    LogLevel,
    Policy,
    Size,
    TcpListen,
    Url,
)
from classroom.units import write_duration

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


def _demand_own_names(environment: Mapping[str, str]) -> None:
    for name in environment:
        if name.startswith(("JUPYTERHUB_", "JPY_", "CLASSROOM_", "LD_")) or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"environment.{name} is not yours to set: choose another name")


class Site(_Section):
    """What the class is called and where browsers find it."""

    title: str = Field(default="Classroom", min_length=1, max_length=60)
    """Shown on every page."""
    external_url: Url = "http://localhost:8000/"
    """The address that browsers use, with its path if the class is not at the root of the site. Empty: whatever address
    a browser has used; only where nobody needs the one right address."""
    log_level: LogLevel = "INFO"
    """How much the hub logs."""


class Paths(_Section):
    """Where the hub keeps its state."""

    state: Path = Path("/var/lib/classroom")
    """Database and secrets; only the hub's user may read it."""
    runtime: Path = Path("/run/classroom")
    """Sockets; made anew at every boot."""


class Lockout(_Section):
    """When wrong passwords lock a login."""

    tries: int = Field(default=5, ge=1)
    """Wrong passwords for one name from one address before that pair is locked."""
    address_tries: int = Field(default=100, ge=1)
    """Wrong passwords from one address, whatever the names: a whole class may sit behind one."""
    duration: Duration = 600
    """How long a lock lasts."""


class Accounts(_Section):
    """Who may have an account."""

    signup: bool = True
    """Students may sign up in the browser; off, the instructor makes accounts."""
    approval: bool = True
    """An instructor approves each sign-up before the first login."""
    password_length: int = Field(default=10, ge=8, le=64)
    """Least number of characters of a password."""
    bcrypt_rounds: int = Field(default=12, ge=10, le=16)
    """Cost of a password hash: each step more doubles the time of a login."""
    lockout: Lockout = Lockout()


class Hub(_Section):
    """The hub's own listener; Nginx and the proxy are its only clients."""

    listen: TcpListen = "127.0.0.1:8081"
    """Address and port. JupyterHub believes X-Forwarded-For from anyone, so nobody but Nginx may reach it."""


class Proxy(_Section):
    """configurable-http-proxy, a process of its own: it outlives a restart of the hub."""

    listen: Listen = "unix:/run/classroom/proxy.sock"
    """Where Nginx (in the demo: the browser) reaches the proxy. Version 4 of the proxy needs address:port."""
    api: Listen = "unix:/run/classroom/proxy-api.sock"
    """Where the hub tells the proxy its routes."""
    command: tuple[str, ...] = Field(default=("configurable-http-proxy",), min_length=1)
    """The program and its first arguments."""


class Docker(_Section):
    """The engine that runs the students' containers."""

    host: str = Field(default="unix:///var/run/docker.sock", pattern=r"^(unix:///|tcp://|https?://).+")
    """Where the engine listens."""
    prefix: str = Field(default="classroom", pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")
    """How names of containers and homes begin. A second class on the same engine needs another: homes go by name."""


class Network(_Section):
    """The class bridge: what containers reach."""

    name: str = Field(default="classroom", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    """Docker's name for the network."""
    bridge: str = Field(default="classroom0", pattern=r"^[a-zA-Z0-9_.-]{1,15}$")
    """The bridge's interface."""
    subnet: IPv4Network = IPv4Network("10.213.0.0/20")
    """Addresses of the containers; the first is the host's side of the bridge."""
    api_port: int = Field(default=8081, ge=1, le=65535)
    """Port on the bridge's gateway where containers reach /hub/api/."""
    internet: bool = True
    """Containers may reach public addresses."""
    allow: tuple[IPv4Network, ...] = ()
    """Private networks that containers may reach (a licence server, a data store)."""
    resolvers: tuple[IPv4Address, ...] = ()
    """Name servers for the containers; empty means the engine's own choice."""

    @property
    def gateway(self) -> IPv4Address:
        """The host's address on the class bridge."""
        return self.subnet[1]

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.subnet.prefixlen > 28:
            raise ValueError('subnet holds fewer than 13 containers: write a larger one, such as "10.213.0.0/20"')
        return self


class Student(_Section):
    """What each student's container is and may use."""

    image: Image = "classroom-student:latest"
    """The image; it is never pulled while a student waits."""
    cpus: float = Field(default=2, gt=0, le=1024)
    """Processor time, in cores."""
    memory: Size = 4 * 1024**3
    """Memory; there is no swap beyond it."""
    shared_memory: Size = 1024**3
    """/dev/shm, which PyTorch's data loaders use."""
    tmp: Size = 1024**3
    """/tmp, in memory: it counts as memory while it is used."""
    processes: int = Field(default=512, ge=64)
    """Processes and threads."""
    start_timeout: Duration = 120
    """How long a server may take to answer."""
    stop_timeout: Duration = 5
    """How long a server may take to stop before it is killed."""
    environment: dict[str, str] = {}
    """Variables for every server, never a secret: students read them."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        _demand_own_names(self.environment)
        return self


class Storage(_Section):
    """Where students' homes are. A home is kept when its student is removed, and nobody else is given it."""

    kind: Literal["volumes", "directory"] = "volumes"
    """volumes: a named volume of the engine each. directory: a folder each, below path."""
    path: Path | None = None
    """With kind "directory": the folder that holds the homes, such as "/srv/homes". It is root's, and there already: a
    disk that is not mounted shall not be mistaken for an empty one."""
    quota: Size | None = None
    """With kind "directory": how much a home may hold; null means as much as the disk. It takes a file system with
    project quotas (XFS, ext4)."""
    files: int | None = Field(default=None, ge=1000)
    """With quota: how many files and folders a home may hold; null means as many as there is room for."""
    helper: Path = Path("/run/classroom-homes.sock")
    """With kind "directory": where `classroom homes-helper` listens, which makes the homes. The hub is not root."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "directory" and self.path is None:
            raise ValueError('kind "directory" needs a path: write path = "/srv/homes"')
        if self.kind == "volumes" and (self.path or self.quota or self.files):
            raise ValueError('path, quota and files are for folders: write kind = "directory" or leave them out')
        if self.files and not self.quota:
            raise ValueError('files goes with a quota: write quota = "10G" beside it')
        if self.path is not None and (not self.path.is_absolute() or ".." in self.path.parts):
            raise ValueError('path must begin at the root: write path = "/srv/homes"')
        return self


class Mps(_Section):
    """CUDA's Multi-Process Service, for who shares a GPU: programs run at once, not in turns. It isolates nothing."""

    enable: bool = False
    """Students with policy shared, devices or all are its clients. `classroom gpus mps` runs it."""
    memory: Size | None = Field(default=None, ge=1024**2)
    """The most of a GPU's memory that each program may take; null means all of it. A student may run several."""
    folder: Path = Path("/run/classroom-mps")
    """Where `classroom gpus mps` keeps its pipes and log."""

    @property
    def pipes(self) -> Path:
        """The directory by which clients find the daemon."""
        return self.folder / "pipe"

    @property
    def shared_memory(self) -> Path:
        """The directory that clients and servers have as /dev/shm."""
        return self.folder / "shm"

    @model_validator(mode="after")
    def _is_on(self) -> Self:
        if self.memory and not self.enable:
            raise ValueError("memory bounds the programs of the service, which is off: write enable = true")
        return self


class Gpu(_Section):
    """Which GPUs students see. Devices are CDI names."""

    policy: Policy = "none"
    """none; all: everyone sees every GPU; devices: everyone sees those listed; exclusive: each student has GPUs that
    nobody else has; shared: a few students on each GPU, the least used one first."""
    devices: tuple[str, ...] = ()
    """With policy "devices": indexes, UUIDs or full CDI names, such as "0" or "nvidia.com/gpu=0". With "exclusive" and
    "shared": hand out only these; empty means all that the machine has."""
    per_student: int = Field(default=1, ge=1, le=64)
    """With policy "exclusive": GPUs (or MIG instances) for each student."""
    students_per_device: int = Field(default=2, ge=1, le=1000)
    """With policy "shared": most students on one GPU. They share its memory: nothing keeps one from taking it all."""
    offer: Duration = Field(default=120, ge=10)
    """When all GPUs are in use students wait in line. Who does not open the server for so long when it is their turn
    loses it to the next."""
    longest_wait: Duration = Field(default=4 * 3600, ge=60)
    """How long a place in line is kept at most."""
    prefer_least_used: bool = False
    """Who has used GPUs least in the last seven days, in whole hours, is first in line; off, who came first."""
    longest_lease: Duration = 0
    """Who has had a GPU for this long is told, and the server stopped, if others wait for it; 0 means never."""
    idle: Duration = 0
    """Who has run nothing on their GPU for this long is told, and the server stopped; 0 means never. It is known only
    where `classroom gpus sample` runs."""
    notice: Duration = Field(default=600, ge=10)
    """How long before a server is stopped for its GPU the student is told in the notebook; what is open is saved."""
    samples: Path = Path("/run/classroom-gpus/sample.json")
    """Where `classroom gpus sample` says what the GPUs do: names, memory, use, and who has not used theirs."""
    mps: Mps = Mps()
    cdi_dirs: tuple[Path, ...] = Field(default=(Path("/etc/cdi"), Path("/var/run/cdi")), min_length=1)
    """Where the driver's toolkit writes what the GPUs are called; the same folders as the engine's."""

    @property
    def uses_mps(self) -> bool:
        """Whether students with these rules are clients of CUDA's Multi-Process Service: several share a device."""
        return self.mps.enable and self.policy in {"all", "devices", "shared"}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.policy == "devices" and not self.devices:
            raise ValueError('policy "devices" needs devices: write devices = ["0"]')
        if self.policy in {"none", "all"} and self.devices:
            raise ValueError(f'policy "{self.policy}" takes no devices: leave devices out or write policy = "devices"')
        for name, seconds in (("longestLease", self.longest_lease), ("idle", self.idle)):
            if 0 < seconds <= self.notice:
                raise ValueError(
                    f"{name} is no longer than notice, which is taken from it: "
                    f'write {name} = "{write_duration(2 * self.notice)}" or more'
                )
        return self


class GroupGpu(_Section):
    """A group's own rules for GPUs; null: as for everyone. They go together: those of one group hold for a student."""

    policy: Policy | None = None
    """As gpu.policy: none, all, devices, exclusive or shared."""
    devices: tuple[str, ...] | None = None
    """As gpu.devices."""
    per_student: int | None = Field(default=None, ge=1, le=64)
    """With policy "exclusive": GPUs for each student of the group."""
    students_per_device: int | None = Field(default=None, ge=1, le=1000)
    """With policy "shared": most students on a GPU that one of this group is on."""
    longest_lease: Duration | None = None
    """As gpu.longestLease; 0 means never."""
    idle: Duration | None = None
    """As gpu.idle; 0 means never."""
    notice: Duration | None = Field(default=None, ge=10)
    """As gpu.notice."""


class Group(_Section):
    """What students of a group get in place of what everyone gets; null: no difference.

    Of a student's several groups the one with the highest priority decides, key by key; shared folders add up.
    """

    members: tuple[AccountName, ...] = ()
    """Names of accounts. Members of JupyterHub's group of the same name (a class list's column "group") are too."""
    priority: int = 0
    """Which group decides for a student of several: the highest; among equals the first in the alphabet."""
    image: Image | None = None
    """The image of their servers: a name of `images`, or a reference with a tag."""
    cpus: float | None = Field(default=None, gt=0, le=1024)
    """As student.cpus."""
    memory: Size | None = None
    """As student.memory."""
    shared_memory: Size | None = None
    """As student.sharedMemory."""
    tmp: Size | None = None
    """As student.tmp."""
    processes: int | None = Field(default=None, ge=64)
    """As student.processes."""
    environment: dict[str, str] = {}
    """Variables for their servers, beside and before those of student.environment."""
    gpu: GroupGpu = GroupGpu()
    shared: tuple[Path, ...] = ()
    """Folders of this machine that their servers see, read-only, below `shared` in the home, each by its own name:
    "/srv/data/faces" is `shared/faces`."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        _demand_own_names(self.environment)
        return self


class Culling(_Section):
    """When idle servers and kernels are stopped. Files are never touched."""

    enable: bool = True
    """Stop idle servers."""
    idle: Duration = Field(default=3600, ge=1)
    """A server without a running cell, a saved file or a key pressed for this long is stopped."""
    kernel_idle: Duration = 3600
    """A kernel idle for this long is stopped, which frees its memory and its GPU; 0 means never."""
    max_age: Duration = 0
    """A server older than this is stopped even if it is busy; 0 means never."""
    every: Duration = Field(default=60, ge=1)
    """How often to look."""


class Keep(_Section):
    """How many backups are kept when old ones are removed: the last of each of so many days, weeks, months."""

    daily: int = Field(default=7, ge=1)
    """Days."""
    weekly: int = Field(default=5, ge=0)
    """Weeks."""
    monthly: int = Field(default=12, ge=0)
    """Months."""


class Backup(_Section):
    """Where `classroom backup` stores what it saves."""

    repository: str | None = Field(default=None, min_length=1)
    """A folder, or where else restic can store, such as "sftp:backup@nas.example.org:/classroom"; null: each command
    names it."""
    password_file: Path | None = None
    """File with the password of the repository; null: made with the first backup, in the state directory."""
    environment_file: Path | None = None
    """File with what the repository's service wants besides, as NAME=value lines."""
    homes: bool = True
    """The students' homes too, not only accounts, secrets and settings."""
    keep: Keep = Keep()


class Settings(_Section):
    """All that a class has to be told."""

    site: Site = Site()
    paths: Paths = Paths()
    admins: tuple[AccountName, ...] = ()
    """The instructors. They cannot sign up: their accounts are made when the hub starts."""
    accounts: Accounts = Accounts()
    hub: Hub = Hub()
    proxy: Proxy = Proxy()
    spawner: Literal["docker", "process"] = "docker"
    """docker: a container each. process: no isolation at all, for a demonstration without a Docker engine."""
    docker: Docker = Docker()
    network: Network = Network()
    student: Student = Student()
    images: dict[str, Image] = {}
    """More images by name, for groups: the name, and what the engine calls it."""
    storage: Storage = Storage()
    gpu: Gpu = Gpu()
    groups: dict[GroupName, Group] = {}
    """Students who get something else than everyone, by the name of their group."""
    culling: Culling = Culling()
    backup: Backup = Backup()

    @model_validator(mode="after")
    def _homes_of_processes(self) -> Self:
        if self.spawner == "process" and self.storage.kind == "directory":
            raise ValueError('storage.kind "directory" is for containers: leave it out or write spawner = "docker"')
        return self

    @model_validator(mode="after")
    def _mps_is_for_somebody(self) -> Self:
        if self.gpu.mps.enable and not any(gpu.uses_mps for gpu in gpu_rules(self).values()):
            raise ValueError('gpu.mps: nobody shares a GPU: write policy = "shared", or enable = false')
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        if found := mistakes(self):
            raise ValueError("\n".join(found))
        return self
