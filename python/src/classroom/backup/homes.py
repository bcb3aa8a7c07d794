"""Where homes are on this machine: volumes of the engine, or folders. All else of a backup asks here."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from classroom.backup.manifest import SavedHome
from classroom.db import sqlite
from classroom.docker.client import engine_at
from classroom.docker.container import LABEL
from classroom.errors import ClassroomError
from classroom.storage.home_directories import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.settings.models import Settings

_WHERE = "only it knows where homes are"


@dataclass(frozen=True)
class Found:
    """The homes of a class."""

    homes: tuple[SavedHome, ...]
    problems: tuple[str, ...]
    """Homes that cannot be read, a sentence each."""


def find(settings: Settings, copy: Path) -> Found:
    """All homes that there are, those of removed accounts too.

    Args:
        settings: the class's.
        copy: of the hub's database, which knows whose each is.

    Raises:
        ClassroomError: the engine does not answer, or this user may not look.
    """
    owners = {
        str(location): (str(user), archived is not None)
        for user, location, archived in sqlite.select_rows(
            copy, "SELECT username, location, archived_at FROM classroom_homes"
        )
    }
    folder = _there(settings)
    places = _volumes(settings) if folder is None else _folders(folder, settings.docker.prefix)
    homes, problems = [], []
    for location, (path, labelled, problem) in sorted(places.items()):
        user, archived = owners.get(location, (labelled, False))
        if problem:
            problems.append(problem)
        else:
            homes.append(SavedHome(user=user, location=location, path=path, archived=archived))
    return Found(tuple(homes), tuple(problems))


def locations(file: Path) -> dict[str, str]:
    """The home of each account, from a database."""
    rows = sqlite.select_rows(file, "SELECT username, location FROM classroom_homes WHERE archived_at IS NULL")
    return {str(user): str(location) for user, location in rows}


def make(settings: Settings, location: str, user: str) -> Path:
    """Where the files of a home go. A volume is made if there is none; a folder need not be there.

    Raises:
        ClassroomError: the engine does not answer, the volume is of a kind that cannot be written from here, or the
            folder of all homes is not there.
    """
    folder = _there(settings)
    if folder is not None:
        return folder / location
    with _asking(settings, _WHERE) as client:
        try:
            volume = client.inspect_volume(location)
        except docker.errors.NotFound:
            volume = client.create_volume(location, labels={LABEL + "user": user})
    path, problem = _place(volume)
    if problem:
        raise ClassroomError(problem)
    return path


def busy(settings: Settings, locations_only: tuple[str, ...] | None = None) -> list[str]:
    """Whose servers run in this class.

    Args:
        settings: the class's.
        locations_only: look only for those who use these homes, of whichever class they are.
    """
    if settings.spawner == "process":
        return []
    with _asking(settings, "only it knows whose servers run") as client:
        containers: list[dict[str, Any]] = client.containers()
    found = set()
    for each in containers:
        labels = each.get("Labels") or {}
        used = {mount.get("Name") or Path(mount.get("Source", "")).name for mount in each.get("Mounts", [])}
        if locations_only is None:
            if labels.get(LABEL + "network") == settings.network.name and labels.get(LABEL + "user"):
                found.add(labels[LABEL + "user"])
        elif used & set(locations_only):
            found.add(labels.get(LABEL + "user") or each["Names"][0].lstrip("/"))
    return sorted(found)


def refuse_without_rights(settings: Settings, command: str) -> None:
    """Stop here if this user cannot read and write homes.

    Raises:
        ClassroomError: with the command to run.
    """
    if settings.spawner == "docker" and os.geteuid() != 0:
        raise ClassroomError(f"Students' homes are theirs and root's to read: run sudo classroom backup {command}")


def _there(settings: Settings) -> Path | None:
    """The folder of all homes, looked at: one whose disk is not mounted shall not be saved as a class without homes."""
    if settings.storage.path is not None:
        with open_store(settings.storage.path):
            return settings.storage.path
    if settings.spawner == "docker":
        return None
    folder = settings.paths.state / "homes"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ClassroomError(f"{folder}: cannot be made ({error.strerror}); mend the folder's owner") from error
    return folder


def _folders(folder: Path, prefix: str) -> dict[str, tuple[Path, str, str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise ClassroomError(f"{folder}: cannot be read ({error.strerror}); run this as root") from error
    return {
        entry.name: (Path(entry.path), "", "")
        for entry in entries
        if entry.name.startswith(f"{prefix}-home-")
        and entry.is_dir(follow_symlinks=False)
        # Beside its home a demonstration's server has its /tmp.
        and not entry.name.endswith(".tmp")
    }


def _volumes(settings: Settings) -> dict[str, tuple[Path, str, str]]:
    prefix = f"{settings.docker.prefix}-home-"
    with _asking(settings, _WHERE) as client:
        volumes = client.volumes(filters={"name": prefix})["Volumes"] or []
    found = {}
    for volume in volumes:
        if volume["Name"].startswith(prefix):
            path, problem = _place(volume)
            found[volume["Name"]] = (path, (volume.get("Labels") or {}).get(LABEL + "user", ""), problem)
    return found


def _place(volume: dict[str, Any]) -> tuple[Path, str]:
    name, path = volume["Name"], Path(volume["Mountpoint"])
    if volume.get("Driver") != "local" or (volume.get("Options") and not path.is_mount()):
        return path, (
            f"{name}: this home is on a file system of its own, which is mounted only while its server runs; back it "
            "up where it is kept"
        )
    if not path.is_dir():
        return path, (
            f"{name}: the engine keeps this home in {path}, which is not here; run this where the engine runs"
        )
    return path, ""


@contextmanager
def _asking(settings: Settings, why: str) -> Iterator[Any]:
    try:
        yield engine_at(settings.docker.host).client
    except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
        raise ClassroomError(
            f"The Docker engine at {settings.docker.host} does not answer, and {why}: systemctl start docker"
        ) from error
