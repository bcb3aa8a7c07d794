"""Checks of the Docker engine: its version, its settings and the students' images."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from classroom.docker.client import ENGINE_ERRORS, make_client
from classroom.docker.container import LABEL
from classroom.docker.image_progress import read_progress
from classroom.doctor import units
from classroom.doctor.checks import NotCheckedError, ok, only_root, warning, wrong
from classroom.settings.groups import offers_gpus, student_images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

ABOUT, CONFIGURATION, IMAGE = "engine", "engine's settings", "image"
_OLDEST = 26  # the first with devices by CDI (https://docs.docker.com/engine/release-notes/26.0/)
_TIMEOUT = 4  # seconds
_LIMITS = {
    "student.memory": ("MemoryLimit",),
    "student.cpus": ("CpuCfsPeriod", "CpuCfsQuota"),
    "student.processes": ("PidsLimit",),
}
"""Limits of students, and what the engine says of itself (`GET /info` of its API)."""
_FOREIGN = (
    "It is not made for this class: a cell that prints nothing for the time of culling.idle does not count as work, an "
    "open tab keeps its server from being stopped, notebooks show no notices, a full home may keep a server from "
    "starting, and a new password ends logins at the server only after some minutes."
)
_OWN_IMAGE = "build the image FROM classroom-student (docs/how-to/images.md), or keep it as it is"


@dataclass(frozen=True)
class Process:
    """The engine's process."""

    pid: int
    file: Path
    """The path of its daemon.json in its own file system."""
    started: float
    """Seconds since 1970."""

    @property
    def root(self) -> Path:
        """Return its root directory, which may be in another file system."""
        return Path(f"/proc/{self.pid}/root")


def call_engine(settings: Settings, method: str, *arguments: object, **named: object) -> Any:  # noqa: ANN401 - docker-py is untyped
    """Call a method of `docker.APIClient` and return its result.

    Raises:
        NotCheckedError: the engine does not answer.
        PermissionError: this user may not call it.
        docker.errors.NotFound: there is no such object.
    """
    try:
        with contextlib.closing(make_client(settings.docker.reports_host, _TIMEOUT)) as client:
            return getattr(client, method)(*arguments, **named)
    except docker.errors.NotFound:
        raise
    except ENGINE_ERRORS as error:
        # 403 is of the filter, which serves only what the hub needs.
        is_refused = isinstance(error, docker.errors.APIError) and error.status_code == 403
        if is_refused or isinstance(error, PermissionError) or "Permission denied" in str(error):
            raise PermissionError from error
        raise NotCheckedError("The engine does not answer.") from error


def check_engine(settings: Settings) -> Iterable[Finding]:
    """Check that the engine answers and is new enough."""
    start = units.restart("docker", f"dockerd, listening at {settings.docker.host}")
    try:
        # Without an API version, so that an engine that is too old can answer.
        answer = call_engine(settings, "version", api_version=False)
    except NotCheckedError:
        yield wrong(ABOUT, f"No Docker engine answers at {settings.docker.host}: no server can start.", start)
        return
    engine_version = str(answer["Version"])
    major = re.match(r"\d+", engine_version)
    if major is None or int(major[0]) < _OLDEST:
        yield wrong(
            ABOUT, f"Docker {engine_version} is too old: {_OLDEST} or newer is needed.", "install a newer Docker Engine"
        )
    else:
        yield ok(ABOUT, f"Docker {engine_version} answers.")


def check_engine_settings(settings: Settings) -> Iterable[Finding]:
    """Check that servers survive a restart of the engine, that it can attach GPUs, and that it has read its file."""
    info = call_engine(settings, "info")
    process = find_process(settings.docker.host)
    file = process.file if process else Path("/etc/docker/daemon.json")
    findings = [
        *inspect_engine_settings(info, wants_gpus=offers_gpus(settings), file=file),
        *inspect_settings_file(process),
    ]
    unchanged = "; its file has not changed since" if process else ""
    yield from findings or [ok(CONFIGURATION, f"Containers survive its restart{unchanged}.")]


def inspect_engine_settings(info: dict[str, Any], *, wants_gpus: bool, file: Path) -> Iterable[Finding]:
    """Return the problems of the running engine's settings."""
    again = units.restart("docker", "restart dockerd")
    reload = "systemctl reload docker" if units.is_systemd_running() else "send dockerd a SIGHUP"
    if not info.get("LiveRestoreEnabled"):
        yield wrong(
            CONFIGURATION,
            "live-restore is off: a restart of the engine ends every student's work.",
            f'write "live-restore": true into {file}, then: {reload}',
        )
    if not any("name=seccomp" in option for option in info.get("SecurityOptions") or ()):
        yield wrong(
            CONFIGURATION,
            "The engine has no seccomp: no server can start.",
            "use a kernel with CONFIG_SECCOMP_FILTER, and an engine that supports seccomp",
        )
    # The engine starts containers without a limit that it cannot set.
    for limit, names in _LIMITS.items():
        if any(not info.get(name) for name in names):
            yield wrong(
                CONFIGURATION,
                f"The engine cannot set {limit}: it has no effect, and one student can take all.",
                "docker info  # its warnings name the kernel's option",
            )
    if wants_gpus and not info.get("CDISpecDirs"):
        yield wrong(
            CONFIGURATION,
            "CDI is off: students start without a GPU.",
            f'write "features": {{"cdi": true}} into {file}, then: {again}',
        )


def inspect_settings_file(process: Process | None) -> Iterable[Finding]:
    """Return a warning if the engine's file is newer than the engine, or if its unit names another file."""
    if process is None:
        return
    again = units.restart("docker", "restart dockerd")
    named = _option(units.prop("docker.service", "ExecStart"))
    if named is not None and named != process.file:
        yield warning(CONFIGURATION, f"Its unit names {named}, but it has read {process.file}.", again)
        return
    try:
        changed = (process.root / process.file.relative_to("/")).stat().st_mtime
    except FileNotFoundError:
        return
    except PermissionError:
        yield only_root(CONFIGURATION)
        return
    if changed > process.started + 1:  # the start is known to a hundredth, the boot to a second
        yield warning(CONFIGURATION, f"{process.file} has changed since the engine started.", again)


def makes_rules(process: Process) -> bool:
    """Return whether the engine makes firewall rules, by its command line and its file.

    Raises:
        PermissionError: this user cannot read them.
    """
    if "--iptables=false" in _read(process.pid, "cmdline").split("\0"):
        return False
    try:
        text = (process.root / process.file.relative_to("/")).read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return json.loads(text or "{}").get("iptables", True) is not False


def check_images(settings: Settings) -> Iterable[Finding]:
    """Check that the images of the class and of its groups exist and have the hub's version."""
    for image in student_images(settings):
        if progress := read_progress(settings.paths.images).get(image):
            yield warning(IMAGE, f"{image} is being loaded. {progress}", "journalctl --follow --unit=classroom-images")
            continue
        load = units.restart("classroom-images", f"docker load --input IMAGE.tar  # {image}")
        try:
            details = call_engine(settings, "inspect_image", image)
        except docker.errors.NotFound:
            yield wrong(IMAGE, f"{image} is not on this machine: no server can start from it.", load)
            continue
        yield inspect_image(image, (details.get("Config") or {}).get("Labels") or {}, version("classroom"), load)


def inspect_image(image: str, labels: dict[str, str], hub_version: str, load: str) -> Finding:
    """Compare the version on an image's label with the hub's."""
    image_version = labels.get(LABEL + "version")
    if image_version is None:
        return warning(IMAGE, f"{image} has no label {LABEL}version. {_FOREIGN}", _OWN_IMAGE)
    if image_version != hub_version:
        return wrong(IMAGE, f"{image} has version {image_version}, but the hub has version {hub_version}.", load)
    return ok(IMAGE, f"{image} is loaded and has version {image_version}.")


def find_process(host: str) -> Process | None:
    """Return the engine's process, found by its socket or its unit; None if it cannot be found.

    A container that sees the machine's processes also searches by name.
    """
    for pid in (_listener(host), units.main_pid("docker.service"), _namesake()):
        if pid and _read(pid, "comm").strip() == "dockerd":
            line = _read(pid, "cmdline").split("\0")
            return Process(pid, _config_file(line), _started(pid))
    return None


def _listener(host: str) -> int | None:
    """Return the process that listens (socket(7), SO_PEERCRED), which is systemd for its sockets."""
    if not host.startswith("unix://"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(host.removeprefix("unix://"))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    return int(struct.unpack("3i", credentials)[0])


def _namesake() -> int | None:
    """Return the only process called dockerd, where systemd, which may hold the engine's socket, cannot be asked."""
    if not units.in_container():
        return None
    processes = [
        int(path.name) for path in Path("/proc").glob("[0-9]*") if _read(int(path.name), "comm") == "dockerd\n"
    ]
    return processes[0] if len(processes) == 1 else None


def machine_root(settings: Settings) -> Path:
    """Return the root directory of the machine, which is not that of the container of a part of the class.

    Raises:
        PermissionError: this process cannot see it.
    """
    if not units.in_container():
        return Path("/")
    process = find_process(settings.docker.host)
    if process is None:
        raise PermissionError
    return process.root


def _option(line: str) -> Path | None:
    match = re.search(r"--config-file[= ](\S+)", line)
    return Path(match[1]) if match else None


def _config_file(line: list[str]) -> Path:
    return _option(" ".join(line)) or Path("/etc/docker/daemon.json")


def _started(pid: int) -> float:
    # proc(5): the 22nd field, counted behind the name, which may hold blanks.
    ticks = int(_read(pid, "stat").rpartition(")")[2].split()[19])
    booted = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(encoding="ascii"), re.MULTILINE)
    return (int(booted[1]) if booted else 0) + ticks / os.sysconf("SC_CLK_TCK")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
