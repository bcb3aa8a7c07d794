"""Clients of the Docker Engine, and the translation of their errors."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classroom.docker.features import Feature

API_VERSION = "1.44"
"""Oldest API that Docker 29 serves and newest that all of ours need: Docker 25 and later. CDI devices need Docker 26
(https://docs.docker.com/reference/api/engine/version-history/)."""

# DockerSpawner sends the calls of all users through one thread; thirty starts at once then queue behind each other.
_THREADS = 16


ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError)
"""What a call of the engine raises."""


class EngineAwayError(ClassroomError):
    """The engine does not answer. Its containers may still run."""


class EngineSilentError(ClassroomError):
    """The engine does not answer a command of the operator."""

    exit_status = 3

    def __init__(self, host: str, error: BaseException) -> None:
        """Store the address of the engine and the reason."""
        reason = str(error) if isinstance(error, docker.errors.APIError) else _reason(error)
        super().__init__(
            f"{host}: the Docker engine does not answer ({reason}); start it, run this as root, or correct docker.host"
        )


class Engine:
    """One Docker Engine, shared by all spawners of a hub."""

    def __init__(self, host: str, timeout: int = 60) -> None:
        """Create an engine without a connection.

        Args:
            host: where the engine listens, such as ``unix:///var/run/docker.sock``.
            timeout: seconds after which a call is given up.
        """
        self.client = make_client(host, timeout)
        self.missing: frozenset[Feature] = frozenset()
        """What the engine's machine does not have, as far as its answers have shown."""
        self.away = (0.0, 0.0)
        """When the engine was last away: begin and end, in seconds since 1970."""
        self.signalled: set[str] = set()
        """Identifiers of containers that somebody has sent a signal by the engine, until they end."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")

    async def call(self, method: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - docker-py is untyped
        """Call a method of `docker.APIClient` in a thread.

        Raises:
            EngineAwayError: no answer.
            ClassroomError: the engine is too old.
            docker.errors.APIError: the engine's answer was an error.
        """
        function = functools.partial(getattr(self.client, method), *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        except (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise EngineAwayError(f"the Docker engine does not answer ({_reason(error)})") from error
        except docker.errors.APIError as error:
            if error.status_code == 502:  # of the filter (`classroom.engine_filter`), never of the engine
                raise EngineAwayError(str(error.explanation)) from error
            if error.status_code == 400 and "client version" in str(error.explanation):
                raise ClassroomError(
                    f"the Docker engine is too old, 26 or newer is needed: {error.explanation}"
                ) from error
            raise


def make_client(host: str, timeout: int) -> docker.APIClient:
    """Return a synchronous client, without a connection yet.

    Args:
        host: the engine's address, such as ``unix:///var/run/docker.sock``.
        timeout: seconds for each call.
    """
    # Without a fixed version the client asks for it, which blocks until the engine answers.
    return docker.APIClient(base_url=host, version=API_VERSION, timeout=timeout, max_pool_size=_THREADS)


@contextlib.contextmanager
def connect(host: str, timeout: int = 20) -> Iterator[docker.APIClient]:
    """Give a command a synchronous client, which is closed afterwards. The arguments are those of `make_client`.

    Raises:
        EngineSilentError: the engine does not answer, or answers with an error that the command does not handle.
    """
    client = make_client(host, timeout)
    try:
        yield client
    except ENGINE_ERRORS as error:
        raise EngineSilentError(host, error) from error
    finally:
        client.close()


def is_device_error(error: docker.errors.APIError) -> bool:
    """Return whether the engine cannot attach a device: CDI is off, or the device is unknown."""
    return "cdi" in str(error.explanation).lower()


def is_network_missing(error: BaseException) -> bool:
    """Return whether the engine does not know the network of a container: a command that cleans up removed it."""
    return re.search(r"network \S+ not found", str(error)) is not None


def missing_mount_source(error: BaseException) -> Path | None:
    """Return the source of a mount that does not exist on the engine's machine; None for other errors."""
    match = re.search(r"bind source path does not exist: ([^\"\n]+)", str(error))
    return Path(match[1]) if match else None


@functools.cache
def shared_engine(host: str) -> Engine:
    """Return the engine at an address: one client and one pool for all spawners."""
    return Engine(host)


def _reason(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
