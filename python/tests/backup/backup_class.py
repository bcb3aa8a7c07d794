"""Class to back up, and the `classroom backup` command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from classroom.cli.main import main
from support.processes import classroom

PASSWORD = {"RESTIC_PASSWORD": "of = these tests"}

KINDS = ["repository", "archive"]


@dataclass(frozen=True)
class Ended:
    """Output and exit status of a command."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Class:
    """Class whose homes are directories: it needs no engine."""

    folder: Path
    prefix: str = "classroom"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    def configure(self, **more: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        paths = {"state": str(self.state), "runtime": str(self.folder / "run")}
        # A port without a listener.
        data = {
            "spawner": "process",
            "paths": paths,
            "docker": {"prefix": self.prefix},
            "hub": {"listen": "127.0.0.1:9"},
        }
        self.settings.write_text(json.dumps(data | more))

    def home(self, name: str) -> Path:
        return self.state / "homes" / f"{self.prefix}-home-{name}"

    def run(self, *words: str, **environment: str) -> Ended:
        """Run `classroom backup WORDS` in this process: importing the program again takes longer than a backup."""
        out, err, status = io.StringIO(), io.StringIO(), 0
        around = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_")}
        own = {"CLASSROOM_SETTINGS": str(self.settings), "RESTIC_CACHE_DIR": str(self.folder.parent / "cache")}
        with (
            patch.dict(os.environ, around | own | environment, clear=True),
            patch.object(sys, "argv", ["classroom", "backup", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Ended(status, out.getvalue(), err.getvalue())

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `classroom backup WORDS` in its own process group, so that a test can kill it."""
        return subprocess.Popen(
            classroom("backup", *words),
            env=os.environ | {"CLASSROOM_SETTINGS": str(self.settings)} | environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def done(self, *words: str, **environment: str) -> Any:
        """Return the document of `classroom backup WORDS --json`."""
        ended = self.run(*words, "--json", **environment)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def refused(self, *words: str, **environment: str) -> str:
        """Return the message of a failed command: one message, no traceback."""
        ended = self.run(*words, **environment)
        assert ended.returncode == 1, ended.stdout
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.state / "jupyterhub.sqlite") as opened:
            found = opened.execute(query).fetchall()
        opened.close()
        return found


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (make test-packages)")


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return owner, mode, time and content or target of a directory and its entries."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        content = path.readlink() if path.is_symlink() else path.read_bytes() if is_file else b""
        time_ = status.st_mtime_ns if is_file else 0
        found[str(path.relative_to(folder))] = (status.st_uid, status.st_gid, status.st_mode, time_, content)
    return found
