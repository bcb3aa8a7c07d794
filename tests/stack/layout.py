"""Paths of the files of one stack."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from images.student.common import cache_directory

_RUNTIME = Path("/run/classroom-stack")  # short: the path of a Unix socket has at most 107 bytes


@dataclass(frozen=True)
class Layout:
    """One stack's folder. It is at the same path in all of the stack's mount namespaces."""

    directory: Path

    @staticmethod
    def new() -> Layout:
        """Create a directory for a new stack."""
        _RUNTIME.mkdir(mode=0o755, exist_ok=True)
        while True:
            directory = _RUNTIME / os.urandom(3).hex()
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o755)
                for name in ("run", "logs", "cdi", "bin", "homes", "engine", "images"):
                    (directory / name).mkdir()
                (directory / "state").mkdir(mode=0o700)
                return Layout(directory)

    @staticmethod
    def all() -> list[Layout]:
        """Return the directories of all stacks of this machine: running ones, and those of before a reboot."""
        data = cache_directory() / "stacks"
        names = {path.name for place in (_RUNTIME, data) if place.exists() for path in place.iterdir()}
        return [Layout(_RUNTIME / name) for name in sorted(names)]

    def use(self) -> int:
        """Return a file descriptor; the stack counts as running as long as a process has it open."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    @property
    def stale(self) -> bool:
        """Return whether nothing of the stack runs any more."""
        try:
            with (self.directory / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    @property
    def name(self) -> str:
        """Return the stack's name."""
        return self.directory.name

    @property
    def settings(self) -> Path:
        """Return the path of the hub's settings.json."""
        return self.directory / "settings.json"

    @property
    def run(self) -> Path:
        """Return the directory of sockets."""
        return self.directory / "run"

    @property
    def state(self) -> Path:
        """Return the hub's state directory."""
        return self.directory / "state"

    @property
    def control(self) -> Path:
        """Return the socket of the supervisor."""
        return self.run / "control.sock"

    @property
    def docker_socket(self) -> Path:
        """Return the socket of the engine."""
        return self.run / "docker.sock"

    @property
    def filter_socket(self) -> Path:
        """Return the socket through which the hub reaches the engine."""
        return self.run / "engine-filter.sock"

    @property
    def homes(self) -> Path:
        """Return the directory of homes."""
        return self.directory / "homes"

    @property
    def homes_socket(self) -> Path:
        """Return the socket of the homes helper."""
        return self.run / "homes.sock"

    @property
    def engine_data(self) -> Path:
        """Return the engine's data, on the cache's file system, so that the cached image is linked and not copied."""
        return cache_directory() / "stacks" / self.name

    @property
    def engine_root(self) -> Path:
        """Return the path of the data inside the engine's root, so that the engine's paths of homes are right."""
        return self.directory / "engine"

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.directory / "logs" / f"{part}.log"

    @property
    def cgroup(self) -> str:
        """Return the parent of the containers' control groups."""
        return f"/classroom-stack-{self.name}"

    def remove(self) -> None:
        """Remove the stack's files once its processes have ended."""
        root = Path("/sys/fs/cgroup")
        for parent in [root / self.cgroup[1:], *root.glob(f"*{self.cgroup}")]:
            for directory, _, _ in os.walk(parent, topdown=False):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
        # Inside the stack's namespaces the engine's data is mounted there, and may be part of the cache now.
        subprocess.run(["umount", "--lazy", self.engine_root], capture_output=True, check=False)
        shutil.rmtree(self.engine_data, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            _RUNTIME.rmdir()
