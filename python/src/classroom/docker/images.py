"""Images of students' servers: loaded into the engine from programs that write them, and removed when unused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from classroom.docker.container import KEEP
from classroom.docker.image_progress import ImageProgress, ProgressFile, report_progress
from classroom.errors import ClassroomError
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from classroom.docker.image_progress import Step

TIMEOUT = 3600
"""Seconds that the engine may take for one answer while it unpacks an image."""

_CHUNK = 1 << 20
_BLOCK = 512  # bytes of a tar archive's header, and what contents are padded to
_PAUSE = 1.0  # seconds between two writes of the progress while it stays at the same percent
_LOGGED_PERCENT = 10


@dataclass(frozen=True)
class ImageSource:
    """An image that a program writes, as of nixpkgs' dockerTools.streamLayeredImage."""

    reference: str
    """The engine's name of it."""
    stream: Path | None
    """A program that writes the image as a tar archive (`docker image load`) to its standard output. None: the operator
    loads the image, and it is only kept."""
    conf: Path | None = None
    """What the program reads: its `store_layers` list the contents. None: the size is unknown before the end."""

    def size(self) -> int:
        """Return the bytes that the program will write, without the archive's small parts; 0 if unknown."""
        if self.conf is None:
            return 0
        conf = json.loads(self.conf.read_text(encoding="utf-8"))
        return sum(_archive_size(path) for layer in conf["store_layers"] for path in layer)


def read_sources(file: Path) -> list[ImageSource]:
    """Return the images of a JSON file: a list of objects with `reference`, `stream` and `conf`; both may be null."""
    return [
        ImageSource(image["reference"], _path(image.get("stream")), _path(image.get("conf")))
        for image in json.loads(file.read_text(encoding="utf-8"))
    ]


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def load_images(
    client: docker.APIClient, sources: Sequence[ImageSource], directory: Path, log: Callable[[str], None]
) -> None:
    """Load the images that the engine does not have, then remove old images of the class that no server uses.

    Args:
        client: of the engine, with `TIMEOUT`.
        sources: all images of the class, with those that the operator loads.
        directory: for the progress (`classroom.docker.image_progress`).
        log: prints a line.

    Raises:
        ClassroomError: an image cannot be written or loaded.
    """
    with report_progress(directory) as file:
        missing = [source for source in sources if source.stream and not _exists(client, source.reference)]
        file.write({source.reference: ImageProgress() for source in missing})
        for number, source in enumerate(missing):
            _Load(client, source, missing[number + 1 :], file, log).run()
    _remove_old(client, {source.reference for source in sources}, log)


class _Load:
    """The load of one image."""

    def __init__(
        self,
        client: docker.APIClient,
        source: ImageSource,
        later: Sequence[ImageSource],
        file: ProgressFile,
        log: Callable[[str], None],
    ) -> None:
        self._client, self._source, self._log, self._file = client, source, log, file
        self._later = {image.reference: ImageProgress() for image in later}
        self._start = self._written = time.monotonic()
        self._progress = ImageProgress("copied", 0, source.size())
        self._next_percent = _LOGGED_PERCENT

    def run(self) -> None:
        size = format_bytes(self._progress.total) if self._progress.total else "of unknown size"
        self._log(f"loading {self._source.reference}, {size}")
        self._write()
        layers: defaultdict[str, int] = defaultdict(int)
        for event in self._client.load_image(self._chunks(), quiet=False) or ():
            if error := event.get("error"):
                raise ClassroomError(f"{self._source.reference}: the engine could not load the image: {error}")
            if current := (event.get("progressDetail") or {}).get("current"):
                layers[str(event.get("id"))] = int(current)
                self._advance("unpacked", sum(layers.values()))
        if not _exists(self._client, self._source.reference):
            raise ClassroomError(f"{self._source.reference}: {self._source.stream} wrote an image with another name")
        self._log(f"loaded {self._source.reference} after {self._seconds} s")

    def _chunks(self) -> Iterator[bytes]:
        """Yield the archive. A program that fails breaks the request off: the engine must not take half an image."""
        done = 0
        with subprocess.Popen([str(self._source.stream)], stdout=subprocess.PIPE) as program:
            while chunk := program.stdout.read(_CHUNK) if program.stdout else b"":
                yield chunk
                done += len(chunk)
                self._advance("copied", done)
        if program.returncode:
            raise ClassroomError(f"{self._source.stream} ended with status {program.returncode}")
        self._progress = replace(self._progress, total=self._progress.total or done)
        self._log(f"copied {format_bytes(done)} after {self._seconds} s; the engine unpacks it")

    def _advance(self, step: Step, done: int) -> None:
        total, before = self._progress.total, self._progress.percent
        self._progress = ImageProgress(step, min(done, total) if total else done, total)
        now = time.monotonic()
        if self._progress.percent != before or now - self._written >= _PAUSE:
            self._written = now
            self._write()
        if self._progress.percent >= self._next_percent:
            self._next_percent = self._progress.percent // _LOGGED_PERCENT * _LOGGED_PERCENT + _LOGGED_PERCENT
            of = f"{format_bytes(self._progress.done)} of {format_bytes(total)} {step}"
            self._log(f"{self._progress.percent} %: {of}, {self._seconds} s")

    def _write(self) -> None:
        self._file.write({self._source.reference: self._progress, **self._later})

    @property
    def _seconds(self) -> int:
        return round(time.monotonic() - self._start)


def _exists(client: docker.APIClient, reference: str) -> bool:
    try:
        client.inspect_image(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def _remove_old(client: docker.APIClient, wanted: set[str], log: Callable[[str], None]) -> None:
    """Remove the class's other images. Running servers keep the image that they were started from."""
    for image in client.images(filters={"label": f"{KEEP}=student"}):
        for old in set(image.get("RepoTags") or ()) - wanted - {"<none>:<none>"}:
            try:
                client.remove_image(old)
            except docker.errors.APIError:
                log(f"still in use: {old}")
            else:
                log(f"removed {old}")


def _archive_size(path: str) -> int:
    """Return the bytes of a store path in a tar archive."""
    total = _entry_size(path)
    for directory, names, files in os.walk(path):
        total += sum(_entry_size(f"{directory}/{name}") for name in (*names, *files))
    return total


def _entry_size(path: str) -> int:
    """Return the bytes of a file, directory or link with its header. Only a file has contents, which are padded."""
    status = os.lstat(path)
    return _BLOCK + (-(-status.st_size // _BLOCK) * _BLOCK if stat.S_ISREG(status.st_mode) else 0)
