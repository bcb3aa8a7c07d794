"""The report of students' servers: their state in the hub, with measurements and logs of the engine."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from classroom.docker.client import ENGINE_ERRORS, connect
from classroom.docker.container import GROUPS, LABEL, split_label
from classroom.errors import ClassroomError, printable
from classroom.gpus.leases import LEASE
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import docker

    from classroom.settings.models import Settings

_THREADS = 16
# A student's program chooses what it writes; it must not move the operator's cursor or set the window's title.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class ServerStatus:
    """One server."""

    name: str
    state: str
    """running, or the change in progress."""
    started: str | None
    """ISO 8601, UTC."""
    last_activity: str | None
    container: str | None
    gpus: tuple[str, ...] = ()
    """CDI names."""
    groups: tuple[str, ...] = ()
    """By which the server was started; a change of group takes effect at the next start."""
    image: str | None = None
    memory: int | None = None
    """Bytes, without the files that the kernel could drop from its cache."""
    memory_limit: int | None = None
    cpus: float | None = None
    """Processor time, in cores, over the last second."""

    @property
    def memory_shown(self) -> str:
        """Return the memory in use and its limit: ``512M of 8G``."""
        limit = f" of {format_bytes(self.memory_limit)}" if self.memory is not None and self.memory_limit else ""
        return format_bytes(self.memory) + limit

    @property
    def cpus_shown(self) -> str:
        """Return the cores in use."""
        return "" if self.cpus is None else f"{self.cpus:.2f}"

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return asdict(self)


def inspect_servers(settings: Settings, servers: Iterable[Mapping[str, Any]]) -> tuple[ServerStatus, ...]:
    """Return the servers of the hub with the engine's measurements.

    Args:
        settings: the class's.
        servers: as the hub's API lists them.

    Raises:
        ClassroomError: the engine does not answer.
    """
    statuses = [
        ServerStatus(server["name"], server["state"], server["started"], server["last_activity"], server["container"])
        for server in servers
    ]
    if not statuses or settings.spawner != "docker":
        return tuple(statuses)
    with connect(settings.docker.reports_host) as client, ThreadPoolExecutor(_THREADS) as pool:
        containers = _containers(client, settings)
        return tuple(pool.map(lambda status: _measure(client, status, containers.get(status.name)), statuses))


def read_server_log(settings: Settings, name: str, lines: int) -> str | None:
    """Return the last lines of a server's log, without escape sequences; None if the student has no server.

    Raises:
        ClassroomError: the engine does not answer.
    """
    if settings.spawner != "docker":
        raise ClassroomError("Servers that are plain processes write into the hub's own log.")
    with connect(settings.docker.reports_host) as client:
        container = _containers(client, settings).get(name)
        if container is None:
            return None
        text: bytes = client.logs(container["Id"], tail=lines)
    return strip_escapes(text.decode("utf-8", "replace"))


def strip_escapes(text: str) -> str:
    """Return text without escape sequences, and printable except for its line breaks and tabs."""
    return printable(_ESCAPES.sub("", text.replace("\r\n", "\n")), keep="\n\t")


def read_stats(stats: Mapping[str, Any]) -> tuple[int | None, int | None, float | None]:
    """Return memory and its limit in bytes, and cores in use, from the two samples in the engine's answer.

    https://docs.docker.com/reference/api/engine/version/v1.44/#operation/ContainerStats
    """
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # cgroup v2, v1
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    used = memory.get("usage")
    now, before = stats.get("cpu_stats") or {}, stats.get("precpu_stats") or {}
    if "system_cpu_usage" not in now or "system_cpu_usage" not in before:
        return (None if used is None else max(0, used - cache)), memory.get("limit"), None
    container = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    machine = now["system_cpu_usage"] - before["system_cpu_usage"]
    cpus = container / machine * now.get("online_cpus", 1) if machine > 0 else None
    return (None if used is None else max(0, used - cache)), memory.get("limit"), cpus


def _measure(client: docker.APIClient, server: ServerStatus, container: Mapping[str, Any] | None) -> ServerStatus:
    if container is None:
        return server
    labels = container["Labels"]
    server = replace(
        server, gpus=split_label(labels, LEASE), groups=split_label(labels, GROUPS), image=labels.get(LABEL + "image")
    )
    try:
        memory, limit, cpus = read_stats(client.stats(container["Id"], stream=False))
    except ENGINE_ERRORS:
        return server  # stopped meanwhile
    return replace(server, memory=memory, memory_limit=limit, cpus=cpus)


def _containers(client: docker.APIClient, settings: Settings) -> dict[str, Mapping[str, Any]]:
    filters = {"label": [LABEL + "user", f"{LABEL}network={settings.network.name}"]}
    return {item["Labels"][LABEL + "user"]: item for item in client.containers(all=True, filters=filters)}
