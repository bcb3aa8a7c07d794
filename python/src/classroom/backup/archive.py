"""One file instead of a repository: GNU tar through zstd. It is not encrypted."""

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

from classroom.backup.manifest import FILE, FOLDER
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHANGED = 1  # exit status of tar: some files changed or went while they were read
_SAME = ("--numeric-owner", "--xattrs", "--null", "--verbatim-files-from")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes")
_HARMLESS = re.compile(r"socket ignored|changed as we read it|removed before we read it|due to previous errors")
_FIRST = 8  # the manifest is among the first members


@dataclass(frozen=True)
class Archive:
    """A backup in one file, such as `class.tar.zst`."""

    file: Path

    def write(self, paths: Iterable[Path]) -> int:
        """Write these folders, the first one first. The file appears under its name when it is complete.

        Returns:
            bytes of the file.

        Raises:
            ClassroomError: it cannot be written, or the disk is full.
        """
        _need("tar", "zstd")
        draft = self.file.with_name(f".{self.file.name}.part")
        try:
            draft.unlink(missing_ok=True)  # of a backup that was killed
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise ClassroomError(f"{self.file}: cannot be written ({error.strerror}); name another place") from error
        try:
            with os.fdopen(descriptor, "wb") as target, _listed(paths) as names, tempfile.TemporaryFile() as said:
                create = ["--create", "--directory=/", "--sparse", *_SAME, f"--files-from=/proc/self/fd/{names}"]
                with (
                    _start(["tar", *create], stdout=subprocess.PIPE, stderr=said, pass_fds=[names]) as tar,
                    _start(
                        ["zstd", "--quiet", "--stdout", "-T0"], stdin=tar.stdout, stdout=target, stderr=said
                    ) as zstd,
                ):
                    _let_go(tar)
                self._check(tar.returncode, zstd.returncode, said)
                os.fsync(target.fileno())
            draft.replace(self.file)
        except OSError as error:
            raise ClassroomError(f"{self.file}: cannot be written ({error.strerror}); name another place") from error
        finally:
            draft.unlink(missing_ok=True)
        return self.file.stat().st_size

    def manifest(self) -> str:
        """The text of the manifest.

        Raises:
            ClassroomError: the file cannot be read, or is no backup.
        """
        _need("tar", "zstd")
        if not self.file.is_file():
            raise ClassroomError(f"{self.file}: there is no such file; name the one that --archive wrote")
        with subprocess.Popen(
            ["zstd", "--quiet", "--decompress", "--stdout", self.file],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as zstd:
            try:
                with tarfile.open(fileobj=zstd.stdout, mode="r|") as opened:
                    for member, _ in zip(opened, range(_FIRST), strict=False):
                        if Path(member.name).parts[-2:] == (FOLDER, FILE) and (found := opened.extractfile(member)):
                            return found.read().decode()
            except (tarfile.TarError, EOFError, UnicodeDecodeError):
                pass
            finally:
                zstd.kill()
        raise ClassroomError(f"{self.file}: is no backup that classroom backup create --archive has made")

    def restore(self, paths: Iterable[Path], target: Path) -> None:
        """Write these paths of the archive below a folder: owners, modes and times as they were.

        Raises:
            ClassroomError: some could not be written, or the archive is damaged.
        """
        owner = ["--same-owner"] if os.geteuid() == 0 else []
        with _listed(paths) as names, tempfile.TemporaryFile() as said:
            extract = ["--extract", f"--directory={target}", "--preserve-permissions", *owner, *_SAME]
            with (
                _start(
                    ["zstd", "--quiet", "--decompress", "--stdout", self.file], stdout=subprocess.PIPE, stderr=said
                ) as zstd,
                _start(
                    ["tar", *extract, f"--files-from=/proc/self/fd/{names}"],
                    stdin=zstd.stdout,
                    stderr=said,
                    pass_fds=[names],
                ) as tar,
            ):
                _let_go(zstd)
            self._check(tar.returncode, zstd.returncode, said, str(target))

    def _check(self, tar: int, zstd: int, said: IO[bytes], where: str = "") -> None:
        if zstd == 0 and (tar == 0 or (tar == _CHANGED and not where)):
            return
        where = where or str(self.file)
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
        if any(_FULL.search(line) for line in lines):
            raise ClassroomError(f"{where}: the disk is full: free space there, or name another place")
        worse = (line for line in lines if line.strip() and not _HARMLESS.search(line))
        raise ClassroomError(f"{where}: {next(worse, f'tar ended with {tar}, zstd with {zstd}')}")


def _start(line: list[str | Path], **streams: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - those of Popen
    return subprocess.Popen(line, env=os.environ | {"LC_ALL": "C"}, **streams)


@contextlib.contextmanager
def _listed(paths: Iterable[Path]) -> Iterator[int]:
    """A descriptor of a file that lists these paths as members of an archive are named."""
    with tempfile.TemporaryFile() as listed:
        listed.write(b"".join(os.fsencode(path.relative_to("/")) + b"\0" for path in paths))
        listed.flush()
        yield listed.fileno()


def _let_go(first: subprocess.Popen[bytes]) -> None:
    """Close our end of a pipe between two others: the first one ends when the second one does."""
    if first.stdout is not None:
        first.stdout.close()


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise ClassroomError(f"{program} is not installed, and an archive takes it: apt install {program}")
