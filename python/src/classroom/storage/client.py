"""The hub's side of homes that are directories: calls of the root helper, its monitor, the first files of a home."""

from __future__ import annotations

import asyncio
import json
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING, Any

from classroom.docker.container import HOME, template_arguments
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from logging import Logger
    from pathlib import Path

    from classroom.docker.client import Engine
    from classroom.settings.models import Network, Storage

_MAX_ANSWER_BYTES = 1 << 20
_MONITOR_INTERVAL = 60.0  # seconds
_IN_MEMORY = 16 * 1024**2  # bytes


async def call_helper(helper: Path, action: str, home: str | None = None, timeout: float = 60) -> dict[str, Any]:  # noqa: ASYNC109 - it names the helper when it is over
    """Return the root helper's answer.

    Args:
        helper: its socket.
        action: see `classroom.storage.helper`.
        home: the name of a home, for an action that takes one.
        timeout: seconds.

    Raises:
        ClassroomError: no answer comes in time, or the answer is an error.
    """
    request = {"action": action} if home is None else {"action": action, "home": home}
    try:
        async with asyncio.timeout(timeout):
            answer = await _exchange(helper, json.dumps(request).encode() + b"\n")
            reply: dict[str, Any] = json.loads(answer)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise ClassroomError(
            f"{helper}: the helper that creates homes does not answer ({str(error) or 'no answer in time'}); run: "
            "systemctl restart classroom-homes.socket (without systemd: classroom homes-helper --listen PATH)"
        ) from error
    if "error" in reply:
        raise ClassroomError(str(reply["error"]))
    return reply


async def _exchange(helper: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(helper, limit=_MAX_ANSWER_BYTES)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


class StorageMonitor:
    """A check of the storage every minute: a disk may fail while the hub runs."""

    def __init__(self, storage: Storage, log: Logger) -> None:
        """Start to check, until this object is deleted.

        Args:
            storage: homes that are directories.
            log: gets the problems when they change.
        """
        self.problems: tuple[str, ...] = ()
        self._task = asyncio.create_task(self._run(storage, log))

    async def _run(self, storage: Storage, log: Logger) -> None:
        while True:
            try:
                problems = tuple((await call_helper(storage.helper, "check"))["mistakes"])
            except ClassroomError as error:
                problems = (str(error),)
            if problems != self.problems:
                self.problems = problems
                for problem in problems:
                    log.error("Storage: %s", problem)
                if not problems:
                    log.info("Storage: works again")
            await asyncio.sleep(_MONITOR_INTERVAL)


async def copy_image_home(engine: Engine, image: str, container: str, network: Network) -> None:
    """Copy the image's home into the home of a created container, as the engine does for a new volume.

    Raises:
        ClassroomError: the engine does not answer.
        docker.errors.APIError: the engine's answer was an error.
    """
    source = (await engine.call("create_container", **template_arguments(image, network)))["Id"]
    try:
        chunks, _ = await engine.call("get_archive", source, f"{HOME}/.")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as files:
            await asyncio.to_thread(copy_without_root, chunks, files)
            files.seek(0)
            await engine.call("put_archive", container, HOME, files)
    finally:
        await engine.call("remove_container", source, force=True)


def copy_without_root(chunks: Iterable[bytes], target: IO[bytes]) -> None:
    """Copy an archive without its first directory: the helper sets owner and mode of the home itself."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as source:
        source.writelines(chunks)
        source.seek(0)
        with tarfile.open(fileobj=source) as old, tarfile.open(fileobj=target, mode="w") as new:
            for member in old:
                if member.name not in {".", "./", ""}:
                    new.addfile(member, old.extractfile(member) if member.isreg() else None)
