"""Models of settings.json: every setting with its type, default, example and description.

Keys are camelCase, attributes are snake_case. `make docs` generates from here: docs/reference/settings.md, the NixOS
options of the same names (modules/options/generated.nix) and their reference (docs/reference/options.md). Value types
are in `classroom.settings.types`.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from classroom.settings.group_checks import image_problems, shared_folder_problems, shared_name_problems
from classroom.settings.types import (
    NO_OPTION,
    AccountName,
    Address,
    Device,
    Domain,
    Duration,
    Folder,
    GroupName,
    Image,
    Listen,
    LogLevel,
    Policy,
    SecretFile,
    Size,
    Subnet,
    TcpListen,
    Url,
)
from classroom.units import write_duration
from classroom.validation import message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


_START_SCRIPT = {
    "NB_USER": "jovyan",
    "NB_UID": "1000",
    "NB_GID": "100",
    "GRANT_SUDO": "no",
    "CHOWN_HOME": "no",
    "CHOWN_HOME_OPTS": "",
    "CHOWN_EXTRA": "",
    "CHOWN_EXTRA_OPTS": "",
}
"""Variables of start.sh that it follows only as root, each with the value that changes nothing:
https://jupyter-docker-stacks.readthedocs.io/en/latest/using/common.html#docker-options"""


def _demand_own_names(environment: Mapping[str, str]) -> None:
    for name in environment:
        if name.startswith(("JUPYTERHUB_", "JPY_", "CLASSROOM_", "LD_")) or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"environment.{name} is not yours to set: choose another name")
        if _START_SCRIPT.get(name, environment[name]) != environment[name]:
            raise ValueError(
                f"environment.{name} has no effect: containers run as jovyan (1000:100) without root's rights, and "
                "start.sh of the Jupyter Docker Stacks needs them for it. Leave it out, and prepare the image instead"
            )


class Site(_Section):
    """What the class is called and where browsers find it."""

    title: str = Field(default="Classroom", min_length=1, max_length=60, examples=["Machine Learning 2026"])
    """Shown on every page."""
    external_url: Url = "http://localhost:8000/"
    """The address that browsers use, without a path. Empty: any address; only for a class that nobody needs to reach by
    one address."""
    origins: Literal["one", "two", "each"] = "one"
    """Host names of students' servers. A script in a page of a student's server acts as the person who opens the page,
    on all pages of the same host name. With `one`, the hub's name, and `two`, that of `serversUrl`, only its owner
    opens a server, and not even an instructor. With `each`, every server has a name below the hub's, such as
    `ada.class.example.org`, and instructors may open it. This needs a wildcard record in DNS and a wildcard
    certificate."""
    servers_url: Url = Field(default="", examples=["https://servers.example.org/"])
    """The address of the servers with `origins = "two"`: another host name of the same machine."""
    log_level: LogLevel = "INFO"
    """How much the hub logs. On NixOS: `journalctl -u classroom-hub`."""

    @property
    def host(self) -> str:
        """Return the hub's host name, in small letters; empty without an external URL."""
        return urlsplit(self.external_url).hostname or ""

    @model_validator(mode="after")
    def _origins(self) -> Self:
        if self.origins == "one":
            return self
        if not self.host:
            raise ValueError(f'origins = "{self.origins}" needs the host name of the hub: set externalUrl')
        if self.origins == "each" and re.fullmatch(r"[0-9.]+|.*:.*", self.host):
            raise ValueError('origins = "each" needs a host name in externalUrl, and not an address')
        if self.origins == "two":
            hub, servers = urlsplit(self.external_url), urlsplit(self.servers_url)
            if servers.hostname in {None, hub.hostname}:
                raise ValueError('origins = "two" needs a second host name: set serversUrl')
            if (hub.scheme, hub.port) != (servers.scheme, servers.port):
                raise ValueError("serversUrl needs the scheme and the port of externalUrl")
        return self


class Paths(_Section):
    """Where the hub keeps its state."""

    state: Annotated[Path, NO_OPTION] = Path("/var/lib/classroom")
    """Database and secrets; only the hub's user can read it. On NixOS: systemd's StateDirectory."""
    runtime: Annotated[Path, NO_OPTION] = Path("/run/classroom")
    """Sockets; created at every boot. On NixOS: systemd's RuntimeDirectory."""
    images: Annotated[Path, NO_OPTION] = Path("/run/classroom-images")
    """Progress of images that load, which `classroom images load` writes. On NixOS: systemd's RuntimeDirectory."""


class Lockout(_Section):
    """Lock of a login after wrong passwords."""

    tries: int = Field(default=5, ge=1)
    """Wrong passwords for one name from one address before that pair is locked. A browser in which the person has
    logged in before counts as an address of its own."""
    address_tries: int = Field(default=100, ge=1)
    """Wrong passwords from one address, for any names that have an account. A whole class may share one address."""
    duration: Duration = 600
    """How long a lock lasts."""


class Accounts(_Section):
    """Sign-up, approval and passwords."""

    signup: bool = True
    """Students may sign up in the browser. Off: the instructor creates accounts."""
    approval: bool = True
    """An instructor approves each sign-up before the first login."""
    password_length: int = Field(default=10, ge=8, le=64)
    """Minimum number of characters of a password."""
    bcrypt_rounds: int = Field(default=12, ge=10, le=16)
    """Cost of a password hash. Each step more doubles the time of a login."""
    lockout: Lockout = Lockout()
    two_factor: Literal["optional", "instructors"] = "optional"
    """Who logs in with a code of an app in addition to the password: who has turned it on, or also all instructors, who
    set it up at their next login."""


class Hub(_Section):
    """The hub's listener. Only Nginx and the proxy connect to it."""

    listen: TcpListen = "127.0.0.1:8081"
    """Address and port. JupyterHub trusts X-Forwarded-For from every client, so only Nginx may reach it."""


class Proxy(_Section):
    """configurable-http-proxy. It is a separate process, so that it keeps running when the hub restarts."""

    listen: Listen = "unix:/run/classroom/proxy.sock"
    """Where Nginx (in the demo: the browser) reaches the proxy. Version 4 of the proxy needs address:port."""
    api: Listen = "unix:/run/classroom/proxy-api.sock"
    """Where the hub tells the proxy its routes. The proxy asks for a token."""
    command: Annotated[tuple[str, ...], NO_OPTION] = Field(default=("configurable-http-proxy",), min_length=1)
    """The program and its first arguments. On NixOS: the option `proxy.package`."""


class Docker(_Section):
    """The engine that runs the students' containers."""

    host: Annotated[str, NO_OPTION] = Field(
        default="unix:///var/run/docker.sock", pattern=r"^(unix:///|tcp://|https?://).+"
    )
    """Where the engine listens. The NixOS module sets it."""
    filter: Annotated[Path | None, NO_OPTION] = Field(default=None, examples=["/run/classroom-engine.sock"])
    """Socket of `classroom engine-filter`, through which the hub reaches the engine. Null: the hub uses the engine's
    own socket, with which it could become root on the machine. The NixOS module sets it."""
    prefix: str = Field(default="classroom", pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")
    """First part of the names of containers and homes. A second class on the same engine needs another prefix."""

    @property
    def hub_host(self) -> str:
        """Return where the hub reaches the engine."""
        return self.host if self.filter is None else f"unix://{self.filter}"

    @property
    def reports_host(self) -> str:
        """Return where a command that reads reaches the engine. Only root can use the engine's own socket."""
        return self.host if os.geteuid() == 0 else self.hub_host


class Network(_Section):
    """The class bridge, and what containers can reach."""

    name: str = Field(default="classroom", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    """Docker's name for the network."""
    bridge: str = Field(default="classroom0", pattern=r"^[a-zA-Z0-9_.-]{1,15}$")
    """The bridge's interface."""
    subnet: Subnet = IPv4Network("10.213.0.0/20")
    """Addresses of the containers. The first one is the host's, on the bridge."""
    api_port: int = Field(default=8081, ge=1, le=65535)
    """Port on the bridge's gateway where containers reach `/hub/api/`, and nothing else of this machine."""
    internet: bool = True
    """Containers may reach public addresses. They never reach cloud metadata, and private networks only by `allow`.
    If false, they find no names either, except by `resolvers` and `domains`."""
    allow: tuple[Subnet, ...] = Field(default=(), examples=[["10.0.5.0/24"]])
    """Private networks that containers may reach, such as those of a licence server or a data store."""
    domains: tuple[Domain, ...] = Field(default=(), examples=[["pypi.org", "files.pythonhosted.org"]])
    """Without `internet`: domains that containers may reach all the same, each with the names below it. The name server
    of the class answers these names only, and opens their addresses for an hour. A server that has the same address, as
    in a content delivery network, is reached too."""
    resolvers: tuple[Address, ...] = Field(default=(), examples=[["192.168.1.1"]])
    """Name servers for the containers, or with `domains` for the name server of the class. Empty: the machine's, or
    none without `internet`."""

    @property
    def gateway(self) -> IPv4Address:
        """Return the host's address on the class bridge."""
        return self.subnet[1]

    @model_validator(mode="after")
    def _domains_are_of_use(self) -> Self:
        if self.domains and self.internet:
            raise ValueError("domains are for a class without internet: write internet = false, or leave them out")
        return self

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.subnet.prefixlen > 28:
            raise ValueError('subnet holds fewer than 13 containers: write a larger one, such as "10.213.0.0/20"')
        return self


class Student(_Section):
    """Image and limits of each student's container."""

    image: Image = "classroom-student:latest"
    """The image of the servers. It must be loaded in advance: it is never pulled while a student waits. On NixOS: the
    `reference` of one of the images that Nix builds, or an image that you have loaded."""
    cpus: float = Field(default=2, gt=0, le=1024)
    """Processor time, in cores."""
    memory: Size = 4 * 1024**3
    """Memory. There is no swap in addition."""
    shared_memory: Size = 1024**3
    """Size of `/dev/shm`, which PyTorch's data loaders use."""
    tmp: Size = 1024**3
    """Size of `/tmp`, which is in memory and counts as memory while it is used."""
    processes: int = Field(default=512, ge=64)
    """Processes and threads, at least 64."""
    start_timeout: Duration = 120
    """How long a server may take to answer."""
    stop_timeout: Duration = 5
    """How long a server may take to stop before it is killed."""
    environment: dict[str, str] = Field(default={}, examples=[{"HF_HUB_OFFLINE": "1"}])
    """Environment variables of every server. Never write a secret here: students can read them."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        _demand_own_names(self.environment)
        return self


class Storage(_Section):
    """Students' homes. A removed student's home is kept, and no other student gets it."""

    kind: Literal["volumes", "directory"] = "volumes"
    """`volumes`: each home is a volume of the Docker engine. `directory`: each home is a directory below `path`."""
    path: Folder | None = Field(default=None, examples=["/srv/homes"])
    """With kind `directory`: the directory that contains the homes. It belongs to root. It must exist, so that a disk
    that is not mounted is not mistaken for an empty one; on NixOS it is created, and waits for the mount of its
    disk."""
    quota: Size | None = Field(default=None, examples=["20G"])
    """With kind `directory`: size limit of a home, which students see in `df`. Null: the size of the disk. The file
    system needs project quotas: XFS or ext4 with the mount option `prjquota`; ext4 must be made by `mkfs.ext4 -O
    project,quota -E quotatype=prjquota`."""
    files: int | None = Field(default=None, ge=1000, le=2**32 - 1, examples=[1_000_000])
    """With a quota: limit of files and directories in a home. Null: no limit but the size."""
    helper: Annotated[Path, NO_OPTION] = Path("/run/classroom-homes.sock")
    """With kind `directory`: socket of `classroom homes-helper`, which creates the homes as root. The hub is not
    root."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "directory" and self.path is None:
            raise ValueError('kind "directory" needs a path: write path = "/srv/homes"')
        if self.kind == "volumes" and (self.path or self.quota or self.files):
            raise ValueError('path, quota and files are for directories: write kind = "directory" or leave them out')
        if self.files and not self.quota:
            raise ValueError('files needs a quota: write quota = "10G" too')
        if self.path is not None and (not self.path.is_absolute() or ".." in self.path.parts):
            raise ValueError('path must begin at the root: write path = "/srv/homes"')
        return self


class Mps(_Section):
    """CUDA's Multi-Process Service for students who share a GPU: programs run at the same time. It isolates nothing."""

    enable: bool = False
    """CUDA's Multi-Process Service for students with policy `shared`, `devices` or `all`: programs on one GPU run at
    the same time instead of alternating. It isolates nothing, and a fault of one program ends the others
    (docs/how-to/gpus.md). `classroom gpus mps` runs it, on NixOS the unit `classroom-mps`; its restart ends running
    computations."""
    memory: Size | None = Field(default=None, ge=1024**2, examples=["8G"])
    """Limit of GPU memory for each program. Null: all of it. A student may run several programs."""
    folder: Annotated[Path, NO_OPTION] = Path("/run/classroom-mps")
    """Directory of the pipes and log of `classroom gpus mps`."""

    @property
    def pipes(self) -> Path:
        """Return the directory where clients find the daemon."""
        return self.folder / "pipe"

    @property
    def shared_memory(self) -> Path:
        """Return the directory that clients and servers mount as /dev/shm."""
        return self.folder / "shm"

    @model_validator(mode="after")
    def _is_on(self) -> Self:
        if self.memory and not self.enable:
            raise ValueError("memory limits programs of the service, which is off: write enable = true")
        return self


class Gpu(_Section):
    """GPUs of students. Devices have CDI names."""

    policy: Policy = Field(default="none", examples=["exclusive"])
    """Which GPUs students see. `none`: none, and no driver is necessary. `all`: everyone sees every GPU. `devices`:
    everyone sees those in `gpu.devices`. `exclusive`: each student has GPUs that nobody else has. `shared`: a few
    students share each GPU, and a new student gets the GPU with the fewest."""
    devices: tuple[Device, ...] = Field(default=(), examples=[["0", "1"]])
    """With policy `devices`: indexes, UUIDs or full CDI names, such as `"0"` or `"nvidia.com/gpu=0"`. With `exclusive`
    and `shared`: the only GPUs that students get; empty means all GPUs of the machine."""
    per_student: int = Field(default=1, ge=1, le=64)
    """With policy `exclusive`: GPUs (or MIG instances) for each student."""
    students_per_device: int = Field(default=2, ge=1, le=1000)
    """With policy `shared`: maximum number of students on one GPU. They share its memory: one student can use all of
    it."""
    offer: Duration = Field(default=120, ge=10)
    """When all GPUs are in use, students wait in a queue. A student who is offered a GPU must open the server within
    this time; otherwise the next one gets the GPU."""
    longest_wait: Duration = Field(default=4 * 3600, ge=60)
    """Maximum time of a student in the queue."""
    prefer_least_used: bool = False
    """Order the queue by GPU use in the last seven days, in full hours, least first. Off: in order of arrival."""
    longest_lease: Duration = Field(default=0, examples=["4h"])
    """Maximum time with a GPU while others wait for one. The student is told, then the server is stopped. 0 means no
    limit."""
    idle: Duration = Field(default=0, examples=["45m"])
    """Time without use of the GPU after which the student is told and the server is stopped. 0 means never. It is
    measured by `classroom gpus sample`, on NixOS the unit `classroom-gpus`."""
    notice: Duration = Field(default=600, ge=10)
    """How long in advance the student is told in the notebook that the server will be stopped. Open files are saved."""
    samples: Annotated[Path, NO_OPTION] = Path("/run/classroom-gpus/sample.json")
    """Measurements that `classroom gpus sample` writes: names, memory and use of GPUs, and students who do not use
    theirs."""
    mps: Mps = Mps()
    cdi_dirs: tuple[Path, ...] = Field(default=(Path("/etc/cdi"), Path("/var/run/cdi")), min_length=1)
    """Directories of the driver toolkit's CDI specifications; the same as the engine's."""

    @property
    def uses_mps(self) -> bool:
        """Return whether students with these rules are clients of CUDA's Multi-Process Service."""
        return self.mps.enable and self.policy in {"all", "devices", "shared"}

    def for_group(self, own: GroupGpu) -> Gpu:
        """Return these rules with a group's own in their place."""
        changes = own.changes()
        if changes.get("policy", self.policy) in {"none", "all"}:
            changes.setdefault("devices", ())  # those of the site are for policies that take some
        return self.model_copy(update=changes)

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
    """A group's own GPU rules; null: as for all students. Rules of two groups are never mixed."""

    policy: Policy | None = None
    """As `gpu.policy`; null: as for all students."""
    devices: tuple[str, ...] | None = None
    """As `gpu.devices`; null: as for all students."""
    per_student: int | None = Field(default=None, ge=1, le=64)
    """As `gpu.perStudent`; null: as for all students."""
    students_per_device: int | None = Field(default=None, ge=1, le=1000)
    """As `gpu.studentsPerDevice`, for GPUs that a student of this group is on; null: as for all students."""
    longest_lease: Duration | None = None
    """As `gpu.longestLease`; null: as for all students."""
    idle: Duration | None = None
    """As `gpu.idle`; null: as for all students."""
    notice: Duration | None = Field(default=None, ge=10)
    """As `gpu.notice`; null: as for all students."""

    def changes(self) -> dict[str, Any]:
        """Return the rules that differ from those of all students, by attribute."""
        return {key: value for key, value in self if value is not None}

    def problems(self, site: Gpu) -> Iterator[str]:
        """Yield a message, with what to write, for each rule that does not fit the rules of all students."""
        rules = site.for_group(self)
        for key, value, policy in (
            ("perStudent", self.per_student, "exclusive"),
            ("studentsPerDevice", self.students_per_device, "shared"),
        ):
            if value is not None and rules.policy != policy:
                yield (
                    f'{key} is for policy "{policy}", and the policy here is "{rules.policy}": '
                    f'write policy = "{policy}"'
                )
        count = len(rules.devices)
        if self.changes() and rules.policy == "exclusive" and 0 < count < rules.per_student:
            yield (
                f"perStudent is {rules.per_student} and devices names {count}: nobody could have so many. Write "
                f"perStudent = {count} or name more devices"
            )
        try:
            type(rules).model_validate(rules.model_dump())
        except ValidationError as error:
            yield from (message(item) for item in error.errors())


class Group(_Section):
    """Settings of a group's students; null: as for all students.

    If a student is in several groups, the one with the highest priority decides, for each key; shared folders add up.
    """

    members: tuple[AccountName, ...] = Field(default=(), examples=[["ada", "ben"]])
    """Names of accounts. Members of JupyterHub's group of the same name are members too; the admin page and the column
    `group` of a CSV file add members there."""
    priority: int = 0
    """If a student is in several groups, the highest priority decides; among equals the alphabetically first group."""
    image: Image | None = Field(default=None, examples=["vision"])
    """The image of the group's servers: a name of `images`, or a reference with a tag that you have loaded."""
    cpus: float | None = Field(default=None, gt=0, le=1024)
    """As `student.cpus`; null: as for all students."""
    memory: Size | None = None
    """As `student.memory`; null: as for all students."""
    shared_memory: Size | None = None
    """As `student.sharedMemory`; null: as for all students."""
    tmp: Size | None = None
    """As `student.tmp`; null: as for all students."""
    processes: int | None = Field(default=None, ge=64)
    """As `student.processes`; null: as for all students."""
    environment: dict[str, str] = {}
    """Environment variables of the group's servers, in addition to `student.environment`; they win over it."""
    gpu: GroupGpu = GroupGpu()
    shared: tuple[Folder, ...] = Field(default=(), examples=[["/srv/data/faces"]])
    """Folders of this machine that the group's servers see, read-only, below `shared` in the home, each by its own
    name: `/srv/data/faces` is `shared/faces`. On NixOS a path in the Nix store is possible too."""

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        _demand_own_names(self.environment)
        return self


class Culling(_Section):
    """Stopping of idle servers and kernels. Files are never changed."""

    enable: bool = True
    """Stop idle servers. Files are never changed."""
    idle: Duration = Field(default=3600, ge=1)
    """A server is stopped after this time without a running cell, a saved file or a pressed key."""
    kernel_idle: Duration = 3600
    """A kernel is stopped after this time without activity, which frees its memory and its GPU; 0 means never."""
    max_age: Duration = 0
    """A server is stopped at this age even if it is busy; 0 means never."""
    every: Duration = Field(default=60, ge=1)
    """Interval of the checks."""


class Keep(_Section):
    """Backups that are kept when old ones are removed."""

    daily: int = Field(default=7, ge=1)
    """The last backup of each of this many days is kept."""
    weekly: int = Field(default=5, ge=0)
    """The last backup of each of this many weeks is kept."""
    monthly: int = Field(default=12, ge=0)
    """The last backup of each of this many months is kept."""


class Backup(_Section):
    """Repository and contents of backups."""

    repository: str | None = Field(default=None, min_length=1, examples=["sftp:backup@nas.example.org:/classroom"])
    """Where restic keeps the backups: a directory, or an address that restic knows. It is created if necessary. Null:
    no automatic backup, and each `classroom backup create` must name a repository."""
    password_file: SecretFile | None = Field(default=None, examples=["/run/secrets/restic"])
    """File with the password of the repository. Keep a copy elsewhere: without it a backup cannot be read. Null: the
    first backup generates a password in the state directory."""
    environment_file: SecretFile | None = Field(default=None, examples=["/run/secrets/restic-s3"])
    """File with further variables for the repository's service, as `NAME=value` lines."""
    homes: bool = True
    """Back up the students' homes too, not only accounts, secrets and settings."""
    keep: Keep = Keep()


class Audit(_Section):
    """The audit log: sign-ups, logins, starts, and actions of instructors."""

    keep: Duration = Field(default=180 * 86400, ge=86400)
    """How long the hub keeps an event. `classroom audit` shows them."""


class Settings(_Section):
    """All settings of a class."""

    site: Site = Site()
    paths: Paths = Paths()
    admins: tuple[AccountName, ...] = Field(default=(), examples=[["teacher"]])
    """The instructors. They cannot sign up: the hub creates their accounts when it starts, each with a one-time
    password in `secrets/first-password-NAME` in the state directory (`/var/lib/classroom`), which only root can
    read."""
    accounts: Accounts = Accounts()
    hub: Hub = Hub()
    proxy: Proxy = Proxy()
    spawner: Annotated[Literal["docker", "process"], NO_OPTION] = "docker"
    """`docker`: a container for each student. `process`: no isolation at all, for a demonstration without a Docker
    engine; not on NixOS."""
    docker: Docker = Docker()
    network: Network = Network()
    student: Student = Student()
    images: Annotated[dict[str, Image], NO_OPTION] = {}
    """Further images for groups: the name, and the engine's reference. On NixOS, Nix builds them."""
    storage: Storage = Storage()
    gpu: Gpu = Gpu()
    groups: dict[GroupName, Group] = Field(
        default={},
        examples=[
            {"ml2026": {"image": "vision", "memory": "32G", "gpu": {"perStudent": 2}, "shared": ["/srv/data/faces"]}}
        ],
    )
    """Groups of students with settings of their own, by name (docs/how-to/groups.md)."""
    culling: Culling = Culling()
    backup: Backup = Backup()
    audit: Audit = Audit()

    @model_validator(mode="after")
    def _homes_of_processes(self) -> Self:
        if self.spawner == "process" and self.storage.kind == "directory":
            raise ValueError('storage.kind "directory" is for containers: leave it out or write spawner = "docker"')
        return self

    @model_validator(mode="after")
    def _mps_has_clients(self) -> Self:
        rules = (self.gpu, *(self.gpu.for_group(group.gpu) for group in self.groups.values()))
        if self.gpu.mps.enable and not any(gpu.uses_mps for gpu in rules):
            raise ValueError('gpu.mps: nobody shares a GPU: write policy = "shared", or enable = false')
        return self

    @model_validator(mode="after")
    def _groups_are_consistent(self) -> Self:
        own = (self.paths.state, self.paths.runtime, self.storage.path)
        problems: list[str] = []
        for name, group in self.groups.items():
            problems += [f"groups.{name}.image: {problem}" for problem in image_problems(group.image, self.images)]
            problems += [f"groups.{name}.gpu: {problem}" for problem in group.gpu.problems(self.gpu)]
            for path in group.shared:
                shared_problems = shared_folder_problems(path, own)
                problems += [f"groups.{name}.shared: {path} {problem}" for problem in shared_problems]
        problems += shared_name_problems({name: group.shared for name, group in self.groups.items()})
        if problems:
            raise ValueError("\n".join(problems))
        return self
