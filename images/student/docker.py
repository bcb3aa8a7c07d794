"""Docker's command line client."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

from images.student.common import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Docker:
    """One Docker Engine, reached by a command."""

    def __init__(self, command: str = "docker", host: str | None = None) -> None:
        """Use `command` (words as in a shell) with the engine at `host`; DOCKER_HOST or Docker's default if None."""
        self._command = [*shlex.split(command), *(["--host", host] if host else [])]
        self._host = host or os.environ.get("DOCKER_HOST") or "its default address"

    def check(self) -> None:
        """Raise ImageError if there is no client, or no engine answers."""
        self.call("version", "--format={{.Server.Version}}", failure=f"no Docker engine answers at {self._host}")

    def call(self, *arguments: str | Path, failure: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """Run a command of the client and return its output.

        Args:
            arguments: the command.
            failure: the sentence that begins the error.
            stdin: the command's standard input.

        Raises:
            ImageError: it failed; the end of what it wrote is in the message.
        """
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                check=False,
                stdin=stdin,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise ImageError(
                f"{self._command[0]}: {error.strerror}. Docker's client `docker` is not installed "
                "(on Debian: apt-get install docker-cli)"
            ) from error
        if done.returncode:
            raise ImageError(f"{failure}: {(done.stdout + done.stderr).strip()[-4000:]}")
        return done.stdout.strip()

    def key(self, image: str) -> str | None:
        """Return the name of an image's content, its label `org.classroom.key`; None if there is no such image."""
        with contextlib.suppress(ImageError):
            label = '{{index .Config.Labels "org.classroom.key"}}'
            return self.call("image", "inspect", f"--format={label}", image, failure="no image")
        return None

    def import_root(self, root: Path, image: str, key: str) -> None:
        """Make an image of a root file system.

        Args:
            root: its directory.
            image: the image's name.
            key: the name of its content, which `key` returns then.

        Raises:
            ImageError: tar or the engine failed.
        """
        excluded = [f"--exclude=./{name}/*" for name in ("dev", "proc", "sys", "tmp")]
        command: list[str | Path] = ["tar", "--numeric-owner", *excluded, "-C", root, "-cf", "-", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            label = f"--change=LABEL org.classroom.key={key}"
            self.call("import", label, "-", image, failure=f"{root} could not be loaded", stdin=tar.stdout or -1)
        if tar.returncode:
            raise ImageError(f"tar ended with {tar.returncode}; is the disk full?")

    def build(self, files: Mapping[str, Path], *options: str) -> str:
        """Build an image and return its id.

        Args:
            files: the build context: files by their names in it.
            options: of `docker build`.

        Raises:
            ImageError: it failed.
        """
        with _archive(files) as archive:
            return self.call("build", "--quiet", *options, "-", failure="the image could not be built", stdin=archive)


@contextlib.contextmanager
def _archive(files: Mapping[str, Path]) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        # Docker recognizes an archive by its first 512 bytes, which the default format fills with other headers.
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, path in sorted(files.items()):
                archive.add(path, name, recursive=False)
        file.seek(0)
        yield file
