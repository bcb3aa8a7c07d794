"""Tar archives as the engine takes them: of a whole root file system, or of single files."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from student_image.common import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STUDENT = (1000, 100)


def of_root(root: Path) -> Iterator[bytes]:
    """A tar archive of a root file system, without what the engine mounts over it."""
    excluded = [f"--exclude=./{name}/*" for name in ("dev", "proc", "sys", "tmp")]
    with subprocess.Popen(
        ["tar", "--numeric-owner", *excluded, "-C", str(root), "-cf", "-", "."], stdout=subprocess.PIPE
    ) as process:
        if process.stdout is None:
            raise ImageError("tar gives no output")
        while chunk := process.stdout.read(1 << 20):
            yield chunk
    if process.returncode:
        raise ImageError(f"tar ended with {process.returncode}; is the disk full?")


def of_files(root_files: Mapping[str, Path | bytes], user_files: Mapping[str, Path] | None = None) -> Iterator[bytes]:
    """A tar archive of files that belong to root, and of files that belong to the student."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name, content in sorted(root_files.items()):
                _add(archive, name, content, (0, 0))
            own = user_files or {}
            # Below home/jovyan; the engine would make missing folders as root.
            for folder in sorted({str(parent) for name in own for parent in Path(name).parents[:-3]}):
                _add(archive, folder, None, _STUDENT)
            for name, content in sorted(own.items()):
                _add(archive, name, content, _STUDENT)
        file.seek(0)
        while chunk := file.read(1 << 20):
            yield chunk


def _add(archive: tarfile.TarFile, name: str, content: Path | bytes | None, owner: tuple[int, int]) -> None:
    """Add a file, or a folder if there is no content."""
    entry = tarfile.TarInfo(name)
    entry.uid, entry.gid = owner
    if content is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
        return
    data = content if isinstance(content, bytes) else content.read_bytes()
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))
