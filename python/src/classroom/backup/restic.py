"""Repositories of restic, run as a subprocess, and the meaning of its errors (https://restic.readthedocs.io)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from classroom.backup import sparse, vault
from classroom.backup.manifest import BACKUP_DIRECTORY
from classroom.errors import ClassroomError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TAG = "classroom"
_INCOMPLETE = 3  # exit status of `restic backup` when some files could not be read
# In a vault the last two are of a folder that its student exchanged for a link or a file meanwhile.
_GONE = (
    "no such file or directory",
    "file does not exist",
    "too many levels of symbolic links",
    "not a directory",
)
_OVERLONG = "file name too long"

_MEANINGS = (
    ("no space left on device", "the disk is full: free space there, or name another place, and run this again"),
    ("disk quota exceeded", "the quota there is used up: free space, or name another place, and run this again"),
    ("wrong password", "the password is not this repository's: name the file that holds it with --password-file"),
    ("permission denied", "cannot be written or read by this user: run this as root, or fix the directory's owner"),
    ("read-only file system", "is on a file system that is mounted read-only: name another place"),
    ("already locked", "another machine is using it: wait, or run restic unlock if none is"),
    ("is there a repository at the following location", "has no backup: create one with classroom backup create"),
    ("repository does not exist", "has no backup: create one with classroom backup create"),
)


@dataclass(frozen=True)
class Snapshot:
    """One backup in a repository."""

    id: str
    time: str
    """ISO 8601."""
    host: str
    paths: tuple[str, ...]

    @property
    def homes(self) -> int:
        """Return the number of homes."""
        return len(self.paths) - 1

    @property
    def folder(self) -> str | None:
        """Return the directory of the manifest; None for a snapshot that is no backup of a class."""
        return next((path for path in self.paths if Path(path).name == BACKUP_DIRECTORY), None)


@dataclass(frozen=True)
class StoredSnapshot:
    """The result of `restic backup`."""

    snapshot: str
    files: int
    added: int
    """Bytes written."""
    vanished: int
    """Files deleted before they were read."""
    unreadable: tuple[str, ...]
    """Files that exist and could not be read, printable."""
    overlong: tuple[str, ...] = ()
    """Paths of more than 4096 bytes, which no program can name, printable. Any student can make them."""


class ExcessError(Exception):
    """A home in which a file got too many holes while restic read it."""

    def __init__(self, excess: sparse.Excess) -> None:
        super().__init__(f"{excess.home}: {excess.reason}")
        self.excess = excess


@dataclass(frozen=True)
class Repository:
    """A repository of restic: a directory, or anything else that restic reaches."""

    location: str
    environment: Mapping[str, str] = field(repr=False)
    """With the password, or with the name of its file."""

    @property
    def folder(self) -> Path | None:
        """Return its directory; None if it is not on this machine."""
        match = re.match(r"([a-z0-9]+):", self.location)
        if match and match[1] != "local":
            return None
        return Path(self.location.removeprefix("local:"))

    def exists(self) -> bool:
        """Return whether the repository exists.

        Raises:
            ClassroomError: it cannot be reached, or the password is wrong.
        """
        if self.folder is not None:
            return (self.folder / "config").exists()
        done = self._run("cat", "config")
        if done.returncode and _is_absent(done.stderr):
            return False
        self._check(done.returncode, done.stderr)
        return True

    def initialize(self) -> None:
        """Create the repository.

        Raises:
            ClassroomError: it cannot be created there.
        """
        if self.folder is not None and self.folder.is_dir() and any(self.folder.iterdir()):
            raise ClassroomError(
                f"{self.location} has other files and no backup: name a separate directory, such as "
                f"{self.folder / 'classroom-backups'}"
            )
        done = self._run("init")
        self._check(done.returncode, done.stderr)

    def backup(
        self,
        directory: Path,
        homes: Sequence[Path],
        progress: Callable[[float], None],
        excluded: Iterable[Path] = (),
    ) -> StoredSnapshot:
        """Store a directory and homes as one snapshot. restic reads the homes in a vault (`classroom.backup.vault`).

        Args:
            directory: the one with the manifest.
            homes: directories of students.
            progress: called with the fraction done, from 0 to 1.
            excluded: files of the homes that are left out.

        Raises:
            ExcessError: nothing was stored, because restic would read the holes of a file for hours.
            ClassroomError: nothing was stored: the disk is full, or the repository cannot be reached.
        """
        parent = self.snapshots()[-1:]
        # restic itself takes only a parent with the same paths: after a new student it would read all files again.
        arguments = ["backup", "--json", f"--tag={TAG}", *(f"--parent={snapshot.id}" for snapshot in parent)]
        summary: dict[str, Any] = {}
        with tempfile.NamedTemporaryFile() as paths_file, tempfile.TemporaryFile("w+", errors="replace") as stderr:
            paths_file.write(b"".join(os.fsencode(path) + b"\0" for path in (directory, *homes)))
            paths_file.flush()
            arguments += [f"--exclude={_escape_pattern(str(path))}" for path in excluded]
            arguments.append(f"--files-from-raw={paths_file.name}")
            watch = sparse.HoleWatch(homes)
            with self._start(*arguments, stderr=stderr, homes=homes) as process:
                for message in _json_messages(process.stdout):
                    if message.get("message_type") == "status":
                        progress(float(message.get("percent_done", 0)))
                        if excess := watch.exceeded(process.pid):
                            _stop(process)
                            raise ExcessError(excess)
                    elif message.get("message_type") == "summary":
                        summary = message
            stderr.seek(0)
            errors = stderr.readlines()
        if process.returncode == vault.REFUSED:
            raise ClassroomError(errors[-1].strip())
        if process.returncode != _INCOMPLETE or "snapshot_id" not in summary:
            self._check(process.returncode, "".join(errors))
        vanished, unreadable, overlong = _sort_errors(errors)
        return StoredSnapshot(
            snapshot=summary["snapshot_id"],
            files=summary["total_files_processed"],
            added=summary["data_added"],
            vanished=vanished,
            unreadable=unreadable,
            overlong=overlong,
        )

    def snapshots(self) -> list[Snapshot]:
        """Return the backups of classes in it, oldest first.

        Raises:
            ClassroomError: there is no repository, or the password is wrong.
        """
        done = self._run("snapshots", "--json", "--tag", TAG)
        self._check(done.returncode, done.stderr)
        snapshots = [
            Snapshot(id=item["id"], time=item["time"], host=item["hostname"], paths=tuple(item["paths"]))
            for item in json.loads(done.stdout) or []
        ]
        return sorted((item for item in snapshots if item.folder), key=lambda item: item.time)

    def read_file(self, snapshot: Snapshot, path: str) -> str:
        """Return the text of one file in a snapshot."""
        done = self._run("dump", snapshot.id, path)
        self._check(done.returncode, done.stderr)
        return done.stdout

    def restore(self, snapshot: Snapshot, paths: Iterable[Path], target: Path) -> None:
        """Write these paths of a snapshot below a directory, with their owners, modes and times.

        Paths that are too long there are left out: a student's folders must not stop the restore of all others.

        Raises:
            ClassroomError: some could not be written: the disk is full, for example.
        """
        included = [f"--include={_escape_pattern(str(path))}" for path in paths]
        done = self._run("restore", snapshot.id, f"--target={target}", *included)
        if done.returncode == 0 or not _is_overlong_only(done.stderr):
            self._check(done.returncode, done.stderr + done.stdout, target=str(target))

    def forget(self, keep: Mapping[str, int]) -> None:
        """Remove old backups.

        Args:
            keep: the number of backups for each unit, as in `{"daily": 7}`.

        Raises:
            ClassroomError: another machine is using the repository.
        """
        # Removes locks of dead processes only.
        self._run("unlock")
        options = [f"--keep-{unit}={count}" for unit, count in keep.items() if count]
        done = self._run("forget", "--tag", TAG, "--group-by=host,tags", "--prune", *options)
        self._check(done.returncode, done.stderr)

    def _start(
        self, *arguments: str, stderr: IO[str] | int = subprocess.PIPE, homes: Sequence[Path] = ()
    ) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                vault.confine(["restic", f"--repo={self.location}", *arguments], homes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                env={**os.environ, "RESTIC_PROGRESS_FPS": "4", **self.environment},
            )
        except FileNotFoundError as error:
            raise ClassroomError(
                "restic is not installed, and backups need it: apt install restic (or nix profile install "
                "nixpkgs#restic), or write one file with --archive FILE.tar.zst"
            ) from error

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self._start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def _check(self, status: int, output: str, target: str = "") -> None:
        if status == 0:
            return
        lowered = output.lower()
        for words, meaning in _MEANINGS:
            if words in lowered:
                raise ClassroomError(f"{target or self.location}: {meaning}")
        last = next((line for line in reversed(output.splitlines()) if line.strip()), f"restic ended with {status}")
        raise ClassroomError(f"{target or self.location}: {printable(_message_text(last))}")


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop restic, so that it removes its lock."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()


def _is_overlong_only(output: str) -> bool:
    """Return whether all errors of a restore are about paths that are too long."""
    told, _, _ = output.rpartition("\nFatal: There were ")
    # A name may have line breaks. One that looks like another error makes the restore fail, as every other error does.
    errors = re.split(r"^ignoring error for ", told, flags=re.MULTILINE)[1:]
    return bool(errors) and all(error.rstrip().endswith(_OVERLONG) for error in errors)


def _is_absent(output: str) -> bool:
    return any(words in output.lower() for words in ("is there a repository", "repository does not exist"))


def _json_messages(lines: Iterable[str] | None) -> Iterable[dict[str, Any]]:
    for line in lines or ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _sort_errors(errors: Iterable[str]) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Return the number of files deleted meanwhile, the files that could not be read, and the overlong paths."""
    deleted: set[str] = set()
    unreadable: set[str] = set()
    overlong: set[str] = set()
    for line in errors:
        try:
            message = json.loads(line)
        except ValueError:
            # Before 0.17 the closing line is no JSON.
            continue
        if message.get("message_type") != "error":
            continue
        reason = _error_reason(message.get("error"))
        item = printable(message.get("item", "") or reason)
        if reason.endswith(_GONE):
            deleted.add(item)
        elif reason.endswith(_OVERLONG):
            overlong.add(item)
        else:
            unreadable.add(item)
    return len(deleted), tuple(sorted(unreadable)), tuple(sorted(overlong))


def _error_reason(error: Any) -> str:  # noqa: ANN401 - restic's
    """Return the system's reason in lower case, at the end of the text.

    Paths are students' texts, so a reason that occurs in the middle says nothing.
    """
    if isinstance(error, dict) and isinstance(error.get("Err"), int):
        return os.strerror(error["Err"]).lower()  # before 0.17
    if isinstance(error, dict) and "message" in error:
        error = error["message"]
    return str(error if isinstance(error, str) else json.dumps(error)).lower().rstrip('"}')


def _escape_pattern(path: str) -> str:
    """Return a pattern that matches this path alone (https://pkg.go.dev/path/filepath#Match)."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _message_text(line: str) -> str:
    try:
        message = json.loads(line)
    except ValueError:
        return line.removeprefix("Fatal: ")
    return str(message.get("message", line)).removeprefix("Fatal: ") if isinstance(message, dict) else line
