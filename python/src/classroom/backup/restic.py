"""restic as a subprocess: what it is told, and what its errors mean (https://restic.readthedocs.io)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from classroom.backup import manifest
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TAG = "classroom"
_INCOMPLETE = 3  # exit status of `restic backup` when some files could not be read
_GONE = ("no such file or directory", "file does not exist")

_MEANINGS = (
    ("no space left on device", "the disk is full: free space there, or name another place, and run this again"),
    ("disk quota exceeded", "the quota there is used up: free space, or name another place, and run this again"),
    ("wrong password", "the password is not this repository's: name the file that holds it with --password-file"),
    ("permission denied", "cannot be written or read by this user: run this as root, or mend the folder's owner"),
    ("read-only file system", "is on a file system that is mounted read-only: name another place"),
    ("already locked", "another machine is at work on it: wait, or run restic unlock if none is"),
    ("is there a repository at the following location", "holds no backup: one is made by classroom backup create"),
    ("repository does not exist", "holds no backup: one is made by classroom backup create"),
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
        """How many homes are in it."""
        return len(self.paths) - 1

    @property
    def folder(self) -> str | None:
        """Where the manifest is in it; None in a snapshot that is no backup of a class."""
        return next((path for path in self.paths if Path(path).name == manifest.FOLDER), None)


@dataclass(frozen=True)
class Stored:
    """What `restic backup` has done."""

    snapshot: str
    files: int
    added: int
    """Bytes that were not there yet."""
    vanished: int
    """Files that were gone when it came to them."""
    unreadable: tuple[str, ...]
    """Files that are there and could not be read."""


@dataclass(frozen=True)
class Repository:
    """Where restic stores: a folder, or whatever else restic can reach."""

    location: str
    environment: Mapping[str, str] = field(repr=False)
    """With the password, or the file that holds it."""

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one of this machine."""
        match = re.match(r"([a-z0-9]+):", self.location)
        if match and match[1] != "local":
            return None
        return Path(self.location.removeprefix("local:"))

    def exists(self) -> bool:
        """Whether there is a repository.

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

    def make(self) -> None:
        """Make a repository.

        Raises:
            ClassroomError: it cannot be made there.
        """
        if self.folder is not None and self.folder.is_dir() and any(self.folder.iterdir()):
            raise ClassroomError(
                f"{self.location} holds other things and no backup: name a folder of its own, such as "
                f"{self.folder / 'classroom-backups'}"
            )
        done = self._run("init")
        self._check(done.returncode, done.stderr)

    def backup(self, paths: Sequence[Path], progress: Callable[[float], None]) -> Stored:
        """Store these folders as one snapshot. Symbolic links are stored, never followed.

        Raises:
            ClassroomError: nothing was stored, since the disk is full or the repository away.
        """
        parent = self.snapshots()[-1:]
        # Named, since restic looks for one with exactly the same paths: a new student would have all be read again.
        line = ["backup", "--json", f"--tag={TAG}", *(f"--parent={each.id}" for each in parent)]
        summary: dict[str, Any] = {}
        with tempfile.NamedTemporaryFile() as listed, tempfile.TemporaryFile("w+", errors="replace") as said:
            listed.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
            listed.flush()
            with self._start(*line, f"--files-from-raw={listed.name}", stderr=said) as process:
                for message in _messages(process.stdout):
                    if message.get("message_type") == "status":
                        progress(float(message.get("percent_done", 0)))
                    elif message.get("message_type") == "summary":
                        summary = message
            said.seek(0)
            errors = said.readlines()
        if process.returncode != _INCOMPLETE or "snapshot_id" not in summary:
            self._check(process.returncode, "".join(errors))
        gone, unreadable = _sorted_out(errors)
        return Stored(
            snapshot=summary["snapshot_id"],
            files=summary["total_files_processed"],
            added=summary["data_added"],
            vanished=gone,
            unreadable=tuple(unreadable),
        )

    def snapshots(self) -> list[Snapshot]:
        """The backups of classes in it, oldest first.

        Raises:
            ClassroomError: there is no repository, or the password is wrong.
        """
        done = self._run("snapshots", "--json", "--tag", TAG)
        self._check(done.returncode, done.stderr)
        found = [
            Snapshot(id=each["id"], time=each["time"], host=each["hostname"], paths=tuple(each["paths"]))
            for each in json.loads(done.stdout) or []
        ]
        return sorted((each for each in found if each.folder), key=lambda each: each.time)

    def read(self, snapshot: Snapshot, path: str) -> str:
        """The text of one file in a snapshot."""
        done = self._run("dump", snapshot.id, path)
        self._check(done.returncode, done.stderr)
        return done.stdout

    def restore(self, snapshot: Snapshot, paths: Iterable[Path], target: Path) -> None:
        """Write these paths of a snapshot below a folder: owners, modes and times as they were.

        Raises:
            ClassroomError: some could not be written, since the disk is full.
        """
        included = [f"--include={_literal(str(path))}" for path in paths]
        done = self._run("restore", snapshot.id, f"--target={target}", *included)
        self._check(done.returncode, done.stderr + done.stdout, where=str(target))

    def forget(self, keep: Mapping[str, int]) -> None:
        """Remove old backups.

        Args:
            keep: how many of each unit, as in `{"daily": 7}`.

        Raises:
            ClassroomError: another machine is at work on the repository.
        """
        # Locks of those who died; a lock that is held stays.
        self._run("unlock")
        kept = [f"--keep-{unit}={count}" for unit, count in keep.items() if count]
        done = self._run("forget", "--tag", TAG, "--group-by=host,tags", "--prune", *kept)
        self._check(done.returncode, done.stderr)

    def _start(self, *arguments: str, stderr: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                ["restic", f"--repo={self.location}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                env={**os.environ, "RESTIC_PROGRESS_FPS": "4", **self.environment},
            )
        except FileNotFoundError as error:
            raise ClassroomError(
                "restic is not installed, and it does the storing: apt install restic (or nix profile install "
                "nixpkgs#restic), or write one file with --archive FILE.tar.zst"
            ) from error

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self._start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def _check(self, status: int, said: str, where: str = "") -> None:
        if status == 0:
            return
        lowered = said.lower()
        for words, meaning in _MEANINGS:
            if words in lowered:
                raise ClassroomError(f"{where or self.location}: {meaning}")
        last = next((line for line in reversed(said.splitlines()) if line.strip()), f"restic ended with {status}")
        raise ClassroomError(f"{where or self.location}: {_plain(last)}")


def _is_absent(said: str) -> bool:
    return any(words in said.lower() for words in ("is there a repository", "repository does not exist"))


def _messages(lines: Iterable[str] | None) -> Iterable[dict[str, Any]]:
    for line in lines or ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _sorted_out(errors: Iterable[str]) -> tuple[int, list[str]]:
    """How many files were gone meanwhile, and which others could not be read."""
    gone: set[str] = set()
    others: list[str] = []
    for line in errors:
        try:
            message = json.loads(line)
        except ValueError:
            # Before 0.17 the closing line is no JSON.
            continue
        if message.get("message_type") != "error":
            continue
        text = json.dumps(message.get("error")).lower()
        if any(words in text for words in _GONE) or re.search(r'"err": 2\b', text):
            gone.add(message.get("item", ""))
        else:
            others.append(message.get("item", "") or text)
    return len(gone), sorted(set(others))


def _literal(path: str) -> str:
    """A pattern that matches this path and no other (https://pkg.go.dev/path/filepath#Match)."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _plain(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return line.removeprefix("Fatal: ")
    return str(found.get("message", line)).removeprefix("Fatal: ") if isinstance(found, dict) else line
