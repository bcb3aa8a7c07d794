"""Files with holes in homes. A file of 10 TB may hold nothing, and restic reads each of its zeros.

`find_excess` returns the files whose holes cost more than a backup spends on one home. It reads no content, only status
and, for a home with many holes, where they are (lseek(2)). `HoleWatch` bounds files that grow holes later, while restic
reads. Holes are what no block of the disk stores: a file that the file system compresses has none.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.backup import vault
from classroom.errors import ClassroomError
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_HOLES = 1 << 30
"""Bytes of zeros that a backup reads in one home: a few seconds of restic."""
_MAX_FILES = 100
"""Files that are left out of one home; with more the whole home is left out."""
_MAX_SECONDS = 30
"""Time that restic may spend on files of one home that have become mostly holes."""
_BLOCK = 512  # bytes; the unit of st_blocks (stat(3type))


@dataclass(frozen=True)
class Excess:
    """A file, or a whole home, that restic must not read."""

    path: Path
    home: Path
    """The home that it is in, or that it is."""
    reason: str


def find_excess(homes: Sequence[Path]) -> list[Excess]:
    """Return what to leave out so that no home has more holes than a backup reads.

    Raises:
        ClassroomError: homes cannot be read here.
    """
    if not homes:
        return []
    command = vault.confine([sys.executable, "-I", "-m", __name__, *map(str, homes)], homes)
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        last = next(reversed(done.stderr.splitlines()), f"status {done.returncode}")
        raise ClassroomError(last if done.returncode == vault.REFUSED else f"The homes cannot be measured: {last}")
    return [
        Excess(Path(path), Path(home), _reason(path == home, holes)) for home, path, holes in json.loads(done.stdout)
    ]


def _reason(is_home: bool, holes: int) -> str:  # noqa: FBT001 - named by its only caller
    if is_home:
        return f"left out, because more than {_MAX_FILES} files have {format_bytes(holes)} of holes; have some deleted"
    return f"left out, because {format_bytes(holes)} of it are holes, and restic reads each zero; have it deleted"


def measure_home(home: str) -> list[tuple[str, int]]:
    """Return the files of a home with the most holes, with the bytes: without them the home is within the bound.

    If more than a hundred files had to go, the home itself is returned.
    """
    for count in (_missing_blocks, _count_holes):  # the second is exact, and slower
        total, largest = 0, list[tuple[int, str]]()
        for path, status in _walk_files(home):
            if holes := count(path, status):
                total += holes
                (heapq.heappush if len(largest) < _MAX_FILES else heapq.heappushpop)(largest, (holes, path))
        if total <= MAX_HOLES:
            return []
    excess: list[tuple[str, int]] = []
    rest = total
    for holes, path in sorted(largest, reverse=True):
        if rest <= MAX_HOLES:
            return excess
        excess.append((path, holes))
        rest -= holes
    return excess if rest <= MAX_HOLES else [(home, total)]


def _missing_blocks(_: str, status: os.stat_result) -> int:
    """Return the bytes for which a file has no blocks: holes, or compressed."""
    return max(0, status.st_size - status.st_blocks * _BLOCK)


def _count_holes(path: str, status: os.stat_result) -> int:
    """Return the bytes of holes of a file; not all of them if they are more than a home may have."""
    if not _missing_blocks(path, status):
        return 0
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return 0  # restic cannot read it either
    try:
        return holes_in(file)
    finally:
        os.close(file)


def holes_in(file: int) -> int:
    """Return the bytes of holes of an open file. Beyond the bound of a home the rest of the file counts as a hole."""
    size, position, holes = os.fstat(file).st_size, 0, 0
    while position < size and holes <= MAX_HOLES:
        try:
            data = os.lseek(file, position, os.SEEK_DATA)
            end = os.lseek(file, data, os.SEEK_HOLE)
        except OSError:  # ENXIO: nothing but a hole up to the end, or the student shortens the file
            return holes + size - position
        holes += data - position
        position = end
    return holes + max(0, size - position)


def _walk_files(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the regular files below a directory, with their status, as far as a path can name them."""
    directories = [top]
    while directories:
        with contextlib.suppress(OSError), os.scandir(directories.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        directories.append(entry.path)
                    elif stat.S_ISREG(status.st_mode):
                        yield entry.path, status


class HoleWatch:
    """A watch over a process that reads homes: the time that it spends on files that are mostly holes.

    A student can make the holes after `find_excess` has looked.
    """

    def __init__(self, homes: Sequence[Path]) -> None:
        self._spent = dict.fromkeys(homes, 0.0)
        self._last = time.monotonic()

    def exceeded(self, process: int) -> Excess | None:
        """Return the file with which a home has used up its time; None if there is none. Call this often."""
        now = time.monotonic()
        elapsed, self._last = min(now - self._last, 1.0), now
        for link in _open_files(process):
            with contextlib.suppress(OSError):
                path = link.readlink()
                home = next((home for home in self._spent if path.is_relative_to(home)), None)
                if home is None or not (holes := _mostly_holes(link)):
                    continue
                self._spent[home] += elapsed
                if self._spent[home] > _MAX_SECONDS:
                    reason = f"left out, because {path.name} got {format_bytes(holes)} of holes during the backup"
                    return Excess(home, home, reason)
        return None


def _open_files(process: int) -> list[Path]:
    """Return the links in /proc to the open files of a process."""
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{process}/fd").iterdir())
    return []


def _mostly_holes(link: Path) -> int:
    """Return the bytes of holes of an open file if they are the greater part of it, else 0."""
    status = link.stat()
    if not stat.S_ISREG(status.st_mode) or _missing_blocks(str(link), status) * 2 < status.st_size:
        return 0
    file = os.open(link, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        holes = holes_in(file)
    finally:
        os.close(file)
    return holes if holes * 2 > status.st_size else 0


if __name__ == "__main__":
    json.dump([(home, *excess) for home in sys.argv[1:] for excess in measure_home(home)], sys.stdout)
