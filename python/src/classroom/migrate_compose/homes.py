"""A student's files into the home: all of them at once, or not at all.

The engine unpacks them in a container that has the home and nothing else, beside what the student has; then a program
in it, with the student's own rights, gives the folder its name. Killed in between, this goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions
from docker.types import HostConfig

from classroom.docker.client import API_VERSION, engine_at
from classroom.docker.container import HOME, LABEL, USER, home_mount
from classroom.errors import ClassroomError
from classroom.migrate_compose import completed_homes
from classroom.migrate_compose.home_archive import WORK, archive
from classroom.storage.client import ask
from classroom.storage.first_files import fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from classroom.settings.models import Settings

_LABEL = LABEL + "adopting"
_DRAFT = ".adopting"
_BOUND = 120  # seconds for a folder to get its name
_PROGRAM = f"""
import os, sys
try:
    os.rename({_DRAFT!r}, {WORK!r})
except OSError as error:
    sys.exit(f"{{error.strerror}}")
"""


def put(settings: Settings, student: str, location: str, folder: Path) -> None:
    """Put a folder's files into a home, as the folder `work`. A second time changes nothing.

    Args:
        settings: the class's.
        student: whose home it is.
        location: the home, as the hub calls it.
        folder: with the files.

    Raises:
        ClassroomError: the home has such a folder already, there is no room, or the engine does not answer.
    """
    is_unpacked = location in completed_homes.read(settings.paths.state)
    path = settings.storage.path
    is_empty = False
    if path is not None:
        is_empty = bool(asyncio.run(ask(settings.storage.helper, "make", location))["empty"])
    client = engine_at(settings.docker.host).client
    with (
        _errors(settings, student),
        _container(client, settings, student, str(path / location) if path else location) as made,
    ):
        if is_empty:
            asyncio.run(fill(engine_at(settings.docker.host), settings.student.image, made))
        there = {name for name in (WORK, _DRAFT) if _is_there(client, made, name)}
        if is_unpacked and there == {WORK}:
            return  # killed when all but the note was done
        if WORK in there:
            raise ClassroomError(f"{student}: the home has a folder {WORK} already; have it renamed and run this again")
        if not (is_unpacked and _DRAFT in there):
            client.put_archive(made, HOME, archive(folder, _DRAFT))
            os.sync()  # the engine does not, and what is noted shall outlive a power failure
            completed_homes.unpacked(settings.paths.state, location, folder)
        client.start(made)
        if client.wait(made, timeout=_BOUND)["StatusCode"]:
            said = client.logs(made).decode(errors="replace").strip()
            raise ClassroomError(f"{student}: the files could not be put in place ({said}); run this again")


def clear(settings: Settings) -> None:
    """Remove the containers of a run that was killed.

    Raises:
        ClassroomError: the engine does not answer.
    """
    client = engine_at(settings.docker.host).client
    label = f"{LABEL}network={settings.network.name}"
    with _errors(settings, "a killed run"):
        for each in client.containers(all=True, filters={"label": [_LABEL, label]}):
            client.remove_container(each["Id"], force=True)


@contextlib.contextmanager
def _container(client: Any, settings: Settings, student: str, home: str) -> Iterator[str]:  # noqa: ANN401 - docker-py
    # Made as for the student's own server, so that the engine gives a new volume the image's first files and owner.
    host = HostConfig(
        version=API_VERSION,
        mounts=[home_mount(home, student)],
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    made: str = client.create_container(
        image=settings.student.image,
        command=["/opt/classroom/bin/python", "-I", "-c", _PROGRAM],
        user=USER,
        working_dir=HOME,
        labels={_LABEL: student, LABEL + "network": settings.network.name},
        host_config=host,
    )["Id"]
    try:
        yield made
    finally:
        client.remove_container(made, force=True)


def _is_there(client: Any, container: str, name: str) -> bool:  # noqa: ANN401 - as above
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
            f"The image {settings.student.image} is not on this machine: load it, or mend student.image, then run this "
            "again"
        ) from error
    except docker.errors.APIError as error:
        raise ClassroomError(f"{student}: {error.explanation}; mend that and run this again") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise ClassroomError(
            f"The Docker engine at {settings.docker.host} does not answer: systemctl start docker, then run this again"
        ) from error
