"""What a new home begins with: the image's own home, as the engine puts it into a new volume."""

from __future__ import annotations

import asyncio
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

from classroom.docker.container import HOME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.docker.client import Engine

_IN_MEMORY = 16 * 1024**2  # bytes


async def fill(engine: Engine, image: str, container: str) -> None:
    """Copy what is in the image's home into the home of a container that is made and not yet started.

    Raises:
        ClassroomError: the engine does not answer.
        docker.errors.APIError: the engine's answer was an error.
    """
    source = (await engine.call("create_container", image, network_disabled=True))["Id"]
    try:
        chunks, _ = await engine.call("get_archive", source, f"{HOME}/.")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as files:
            await asyncio.to_thread(without_root, chunks, files)
            files.seek(0)
            await engine.call("put_archive", container, HOME, files)
    finally:
        await engine.call("remove_container", source, force=True)


def without_root(chunks: Iterable[bytes], into: IO[bytes]) -> None:
    """Copy an archive but for its first folder: the home's own owner and mode are the helper's to say."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
        whole.writelines(chunks)
        whole.seek(0)
        with tarfile.open(fileobj=whole) as old, tarfile.open(fileobj=into, mode="w") as new:
            for member in old:
                if member.name not in {".", "./", ""}:
                    new.addfile(member, old.extractfile(member) if member.isreg() else None)
