"""Progress of images that load: written by `classroom images load`, read by the hub for its pages.

On NixOS the directory is systemd's RuntimeDirectory. A lock shows whether the writer still runs: a file that a killed
one left behind counts for nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE = "progress.json"
_LOCK = "lock"

Step = Literal["waiting", "copied", "unpacked"]


@dataclass(frozen=True)
class ImageProgress:
    """Progress of one image."""

    step: Step = "waiting"
    """`copied`: the engine receives the image. `unpacked`: it makes the layers of what it received."""
    done: int = 0
    """Bytes of this step."""
    total: int = 0
    """Bytes of each step; 0 if unknown."""

    @property
    def percent(self) -> int:
        """Return how much of both steps is done, in percent; 0 if unknown."""
        if not self.total or self.step == "waiting":
            return 0
        share = min(self.done / self.total, 1)
        return int(50 * share + 50 * (self.step == "unpacked"))

    def __str__(self) -> str:
        """Return the progress as the pages say it."""
        if self.step == "waiting":
            return "The image of your server is next."
        of = f" of {format_bytes(self.total)}" if self.total else ""
        return f"The image of the servers loads: {format_bytes(self.done)}{of} {self.step}."


@contextlib.contextmanager
def report_progress(directory: Path) -> Iterator[ProgressFile]:
    """Give the writer of the progress. Wait for another that runs; remove the progress at the end."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.fchmod(lock, 0o644)  # the hub's user reads it, whatever the umask is
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield ProgressFile(directory / _FILE)
    finally:
        (directory / _FILE).unlink(missing_ok=True)
        os.close(lock)


class ProgressFile:
    """The file of the progress. A disk without space costs the progress only, not the image."""

    def __init__(self, file: Path) -> None:
        """Remember where the file is."""
        self._file = file

    def write(self, images: dict[str, ImageProgress]) -> None:
        """Replace the file.

        Args:
            images: those that are not loaded yet, by their names.
        """
        draft = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps({name: asdict(image) for name, image in images.items()}), encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(self._file)


def read_progress(directory: Path) -> dict[str, ImageProgress]:
    """Return the images that load now or are next, by their names; none if nothing loads images."""
    try:
        if not _is_locked(directory / _LOCK):
            return {}
        images = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        return {name: ImageProgress(**image) for name, image in images.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _is_locked(file: Path) -> bool:
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
