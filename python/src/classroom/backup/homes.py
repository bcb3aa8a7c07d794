"""Homes of this machine for backups: volumes of the engine, or directories."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from classroom.backup.manifest import SavedHome
from classroom.db import sqlite
from classroom.docker.client import ENGINE_ERRORS, shared_engine
from classroom.docker.container import LABEL, home_labels
from classroom.errors import ClassroomError
from classroom.storage.home_directories import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.settings.models import Settings

_WHY_HOMES = "only it knows where homes are"


@dataclass(frozen=True)
class HomeInventory:
    """The homes of a class."""

    homes: tuple[SavedHome, ...]
    problems: tuple[str, ...]
    """Homes that cannot be read, a sentence each."""


def find_homes(settings: Settings, copy: Path) -> HomeInventory:
    """Return all existing homes, including those of removed accounts.

    Args:
        settings: the class's.
        copy: a copy of the hub's database, which maps homes to students.

    Raises:
        ClassroomError: the engine does not answer, or this user may not read them.
    """
    owners = {
        str(location): (str(user), archived is not None)
        for user, location, archived in sqlite.select_rows(
            copy, "SELECT username, location, archived_at FROM classroom_homes"
        )
    }
    parent = _homes_directory(settings)
    places = find_volumes(settings) if parent is None else find_directories(parent, settings.docker.prefix)
    homes, problems = [], []
    for location, (path, label, problem) in sorted(places.items()):
        user, archived = owners.get(location, (label, False))
        if problem:
            problems.append(problem)
        else:
            homes.append(SavedHome(user=user, location=location, path=path, archived=archived))
    return HomeInventory(tuple(homes), tuple(problems))


def home_locations(file: Path) -> dict[str, str]:
    """Return the location of each account's home, from a database."""
    rows = sqlite.select_rows(file, "SELECT username, location FROM classroom_homes WHERE archived_at IS NULL")
    return {str(user): str(location) for user, location in rows}


def prepare_home(settings: Settings, location: str, user: str) -> Path:
    """Return the path of a home. A volume is created if there is none; a directory may be missing.

    Raises:
        ClassroomError: the engine does not answer, the volume cannot be written from here, or the directory of all
            homes does not exist.
    """
    parent = _homes_directory(settings)
    if parent is not None:
        return parent / location
    with _engine_client(settings, _WHY_HOMES) as client:
        try:
            volume = client.inspect_volume(location)
        except docker.errors.NotFound:
            volume = client.create_volume(location, labels=home_labels(user))
    path, problem = _volume_path(volume)
    if problem:
        raise ClassroomError(problem)
    return path


def running_students(settings: Settings, locations: tuple[str, ...] | None = None) -> list[str]:
    """Return the students with running servers, sorted.

    Args:
        settings: the class's.
        locations: find the servers that use these homes, in any class; None finds all servers of this class.
    """
    if settings.spawner == "process":
        return []
    with _engine_client(settings, "only it knows whose servers run") as client:
        containers: list[dict[str, Any]] = client.containers()
    students = set()
    for container in containers:
        labels = container.get("Labels") or {}
        mounts = {mount.get("Name") or Path(mount.get("Source", "")).name for mount in container.get("Mounts", [])}
        if locations is None:
            if labels.get(LABEL + "network") == settings.network.name and labels.get(LABEL + "user"):
                students.add(labels[LABEL + "user"])
        elif mounts & set(locations):
            students.add(labels.get(LABEL + "user") or container["Names"][0].lstrip("/"))
    return sorted(students)


def refuse_without_rights(settings: Settings, command: str) -> None:
    """Refuse a user who cannot read and write homes.

    Raises:
        ClassroomError: the message has the command to run.
    """
    if settings.spawner == "docker" and os.geteuid() != 0:
        raise ClassroomError(f"Only the student and root can read a home: run sudo classroom backup {command}")


def _homes_directory(settings: Settings) -> Path | None:
    """Return the directory of all homes; None for volumes.

    It is opened first: if its disk is not mounted, the backup must not become one without homes.
    """
    if settings.storage.path is not None:
        with open_store(settings.storage.path):
            return settings.storage.path
    if settings.spawner == "docker":
        return None
    directory = settings.paths.state / "homes"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClassroomError(f"{directory}: cannot be created ({error.strerror}); fix the directory's owner") from error
    return directory


def find_directories(directory: Path, prefix: str) -> dict[str, tuple[Path, str, str]]:
    """Return path, student and problem of each home that is a directory, by its name.

    Raises:
        ClassroomError: this user may not read the directory.
    """
    try:
        entries = list(os.scandir(directory))
    except OSError as error:
        raise ClassroomError(f"{directory}: cannot be read ({error.strerror}); run this as root") from error
    return {
        entry.name: (Path(entry.path), "", "")
        for entry in entries
        if entry.name.startswith(f"{prefix}-home-")
        and entry.is_dir(follow_symlinks=False)
        # The /tmp of a server of `make demo` is next to its home.
        and not entry.name.endswith(".tmp")
    }


def find_volumes(settings: Settings) -> dict[str, tuple[Path, str, str]]:
    """Return path, student and problem of each home that is a volume, by its name.

    Raises:
        ClassroomError: the engine does not answer.
    """
    prefix = f"{settings.docker.prefix}-home-"
    with _engine_client(settings, _WHY_HOMES) as client:
        volumes = client.volumes(filters={"name": prefix})["Volumes"] or []
    places = {}
    for volume in volumes:
        if volume["Name"].startswith(prefix):
            path, problem = _volume_path(volume)
            places[volume["Name"]] = (path, (volume.get("Labels") or {}).get(LABEL + "user", ""), problem)
    return places


def _volume_path(volume: dict[str, Any]) -> tuple[Path, str]:
    name, path = volume["Name"], Path(volume["Mountpoint"])
    if volume.get("Driver") != "local" or (volume.get("Options") and not path.is_mount()):
        return path, (
            f"{name}: this home is on a separate file system, which is mounted only while its server runs; back it "
            "up where it is stored"
        )
    if not path.is_dir():
        return path, (
            f"{name}: the engine stores this home in {path}, which does not exist here; run this where the engine runs"
        )
    return path, ""


@contextmanager
def _engine_client(settings: Settings, why: str) -> Iterator[Any]:
    try:
        yield shared_engine(settings.docker.host).client
    except ENGINE_ERRORS as error:
        raise ClassroomError(
            f"The Docker engine at {settings.docker.host} does not answer, and {why}: systemctl start docker"
        ) from error
