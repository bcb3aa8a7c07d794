"""Atomic copy of a student's files into the home.

The engine unpacks them under a temporary name, in a container that has the home and nothing else; then a program in it,
with the student's own rights, renames the directory. A run that was killed in between is continued by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.types import HostConfig

from classroom.docker.client import API_VERSION, ENGINE_ERRORS, shared_engine
from classroom.docker.container import HOME, LABEL, USER, home_mount
from classroom.errors import ClassroomError
from classroom.migrate_compose import completed_homes
from classroom.migrate_compose.home_archive import WORK, tar_stream
from classroom.storage.client import call_helper, copy_image_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from classroom.settings.models import Settings

_LABEL = LABEL + "adopting"
_DRAFT = ".adopting"
_RENAME_TIMEOUT = 120  # seconds
_PROGRAM = f"""
import os, sys
try:
    os.rename({_DRAFT!r}, {WORK!r})
except OSError as error:
    sys.exit(f"{{error.strerror}}")
"""


def copy_into_home(settings: Settings, student: str, location: str, directory: Path) -> None:
    """Copy a directory into a home, where it is called `work`. A second call changes nothing.

    Args:
        settings: those of the class.
        student: the owner of the home.
        location: the home's name in the hub.
        directory: the directory with the files.

    Raises:
        ClassroomError: the home has such a directory already, the disk is full, or the engine does not answer.
    """
    is_unpacked = location in completed_homes.read_completed(settings.paths.state)
    path = settings.storage.path
    is_empty = False
    if path is not None:
        is_empty = bool(asyncio.run(call_helper(settings.storage.helper, "make", location))["empty"])
    client = shared_engine(settings.docker.host).client
    with (
        _errors(settings, student),
        _container(client, settings, student, str(path / location) if path else location) as container,
    ):
        if is_empty:
            engine = shared_engine(settings.docker.host)
            asyncio.run(copy_image_home(engine, settings.student.image, container, settings.network))
        existing = {name for name in (WORK, _DRAFT) if _exists(client, container, name)}
        if is_unpacked and existing == {WORK}:
            return  # a run was killed between the rename and the record
        if WORK in existing:
            raise ClassroomError(f"{student}: the home has a folder {WORK} already; rename it and run this again")
        if not (is_unpacked and _DRAFT in existing):
            client.put_archive(container, HOME, tar_stream(directory, _DRAFT))
            os.sync()  # the engine does not, and the record must not survive a power failure without the files
            completed_homes.mark_unpacked(settings.paths.state, location, directory)
        client.start(container)
        if client.wait(container, timeout=_RENAME_TIMEOUT)["StatusCode"]:
            output = client.logs(container).decode(errors="replace").strip()
            raise ClassroomError(f"{student}: the files could not be put in place ({output}); run this again")


def remove_leftover_containers(settings: Settings) -> None:
    """Remove the containers of a run that was killed.

    Raises:
        ClassroomError: the engine does not answer.
    """
    client = shared_engine(settings.docker.host).client
    label = f"{LABEL}network={settings.network.name}"
    with _errors(settings, "a killed run"):
        for container in client.containers(all=True, filters={"label": [_LABEL, label]}):
            client.remove_container(container["Id"], force=True)


@contextlib.contextmanager
def _container(client: Any, settings: Settings, student: str, home: str) -> Iterator[str]:  # noqa: ANN401 - docker-py
    # The mount of the student's own server: the engine gives a new volume the image's first files and owner.
    host = HostConfig(
        version=API_VERSION,
        mounts=[home_mount(home, student)],
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    container: str = client.create_container(
        image=settings.student.image,
        command=["/opt/classroom/bin/python", "-I", "-c", _PROGRAM],
        user=USER,
        working_dir=HOME,
        labels={_LABEL: student, LABEL + "network": settings.network.name},
        host_config=host,
    )["Id"]
    try:
        yield container
    finally:
        client.remove_container(container, force=True)


def _exists(client: Any, container: str, name: str) -> bool:  # noqa: ANN401 - as above
    try:
        chunks, _ = client.get_archive(container, f"{HOME}/{name}")
    except docker.errors.NotFound:
        return False
    chunks.close()
    return True


@contextlib.contextmanager
def _errors(settings: Settings, student: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ClassroomError(
            f"The image {settings.student.image} is not on this machine: load it, or correct student.image, then run "
            "this again"
        ) from error
    except docker.errors.APIError as error:
        raise ClassroomError(f"{student}: {error.explanation}; fix that and run this again") from error
    except ENGINE_ERRORS as error:
        raise ClassroomError(
            f"The Docker engine at {settings.docker.host} does not answer: systemctl start docker, then run this again"
        ) from error
