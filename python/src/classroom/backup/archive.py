"""Backups in one file, by GNU tar and zstd, without encryption."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from classroom.backup.manifest import BACKUP_DIRECTORY, MANIFEST_FILE
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHANGED = 1  # exit status of tar: some files changed or were deleted while it read them
_COMMON = ("--numeric-owner", "--xattrs", "--null", "--verbatim-files-from")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes")
_FAILED = 2  # exit status of tar: some files could not be read
# The last line is of a folder that its student exchanged for a link or a file while tar read it.
_HARMLESS = re.compile(
    r"socket ignored|changed as we read it|removed before we read it|due to previous errors"
    r"|: Cannot ([a-z]+: (Too many levels of symbolic links|Not a directory)|readlink: Invalid argument)$"
)
_MANIFEST_MEMBERS = 8  # the manifest is among the first members


@dataclass(frozen=True)
class Archive:
    """A backup in one file, such as `class.tar.zst`."""

    file: Path

    def write(self, paths: Iterable[Path]) -> int:
        """Write these directories in this order, and return the size of the file in bytes.

        The file appears under its name when it is complete.

        Raises:
            ClassroomError: it cannot be written, or the disk is full.
        """
        _require_programs("tar", "zstd")
        draft = self.file.with_name(f".{self.file.name}.part")
        try:
            draft.unlink(missing_ok=True)  # of a backup that was killed
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise ClassroomError(f"{self.file}: cannot be written ({error.strerror}); name another place") from error
        try:
            with os.fdopen(descriptor, "wb") as target, _path_list(paths) as names, tempfile.TemporaryFile() as errors:
                create = ["--create", "--directory=/", "--sparse", *_COMMON, f"--files-from=/proc/self/fd/{names}"]
                with (
                    _start(["tar", *create], stdout=subprocess.PIPE, stderr=errors, pass_fds=[names]) as tar,
                    _start(
                        ["zstd", "--quiet", "--stdout", "-T0"], stdin=tar.stdout, stdout=target, stderr=errors
                    ) as zstd,
                ):
                    _close_pipe(tar)
                self._check(tar.returncode, zstd.returncode, errors)
                os.fsync(target.fileno())
            draft.replace(self.file)
        except OSError as error:
            raise ClassroomError(f"{self.file}: cannot be written ({error.strerror}); name another place") from error
        finally:
            draft.unlink(missing_ok=True)
        return self.file.stat().st_size

    def read_manifest(self) -> str:
        """Return the text of the manifest.

        Raises:
            ClassroomError: the file cannot be read, or is no backup.
        """
        _require_programs("tar", "zstd")
        if not self.file.is_file():
            raise ClassroomError(f"{self.file}: there is no such file; name a file that --archive wrote")
        with subprocess.Popen(
            ["zstd", "--quiet", "--decompress", "--stdout", self.file],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as zstd:
            try:
                with tarfile.open(fileobj=zstd.stdout, mode="r|") as opened:
                    for member, _ in zip(opened, range(_MANIFEST_MEMBERS), strict=False):
                        if Path(member.name).parts[-2:] == (BACKUP_DIRECTORY, MANIFEST_FILE) and (
                            file := opened.extractfile(member)
                        ):
                            return file.read().decode()
            except (tarfile.TarError, EOFError, UnicodeDecodeError):
                pass
            finally:
                zstd.kill()
        raise ClassroomError(f"{self.file}: is no backup of classroom backup create --archive")

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths of the archive below a directory, with their owners, modes and times.

        Raises:
            ClassroomError: some could not be written, or the archive is damaged.
        """
        owner = ["--same-owner"] if os.geteuid() == 0 else []
        with _path_list(paths) as names, tempfile.TemporaryFile() as errors:
            extract = ["--extract", f"--directory={target}", "--preserve-permissions", *owner, *_COMMON]
            with (
                _start(
                    ["zstd", "--quiet", "--decompress", "--stdout", self.file], stdout=subprocess.PIPE, stderr=errors
                ) as zstd,
                _start(
                    ["tar", *extract, f"--files-from=/proc/self/fd/{names}"],
                    stdin=zstd.stdout,
                    stderr=errors,
                    pass_fds=[names],
                ) as tar,
            ):
                _close_pipe(zstd)
            self._check(tar.returncode, zstd.returncode, errors, str(target))

    def _check(self, tar: int, zstd: int, errors: IO[bytes], target: str = "") -> None:
        if zstd == 0 and (tar == 0 or (tar == _CHANGED and not target)):
            return
        place = target or str(self.file)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
        if any(_DISK_FULL.search(line) for line in lines):
            raise ClassroomError(f"{place}: the disk is full: free space there, or name another place")
        messages = [line for line in lines if line.strip() and not _HARMLESS.search(line)]
        if zstd == 0 and tar == _FAILED and lines and not messages and not target:
            return
        raise ClassroomError(f"{place}: {next(iter(messages), f'tar ended with {tar}, zstd with {zstd}')}")


def _start(command: list[str | Path], **streams: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
    return subprocess.Popen(command, env=os.environ | {"LC_ALL": "C"}, **streams)


@contextlib.contextmanager
def _path_list(paths: Iterable[Path]) -> Iterator[int]:
    """Yield a descriptor of a file that lists these paths as names of archive members."""
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(os.fsencode(path.relative_to("/")) + b"\0" for path in paths))
        file.flush()
        yield file.fileno()


def _close_pipe(first: subprocess.Popen[bytes]) -> None:
    """Close our end of the pipe between two processes, so that the first ends when the second does."""
    if first.stdout is not None:
        first.stdout.close()


def _require_programs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise ClassroomError(f"{program} is not installed, and archives need it: apt install {program}")
