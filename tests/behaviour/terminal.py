"""The operator's terminal: the `classroom` command on the server."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]


@dataclass
class Terminal:
    """A terminal that runs `classroom` in its own directory."""

    command: list[str]
    settings: str
    folder: str

    def run(self, *words: str) -> Done:
        """Run a command and return its output and exit status."""
        told = ["--settings", self.settings] if words[0] != "man" else []
        script = 'cd "$1" && shift && exec classroom "$@"'
        return self._execute("sh", "-c", script, "sh", self.folder, *words, *told)

    def ask(self, *words: str) -> Any:
        """Run a command with --json and return the document."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def write(self, name: str, text: str) -> None:
        self._execute("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, f"{self.folder}/{name}")

    def read(self, name: str) -> str:
        done = self._execute("cat", f"{self.folder}/{name}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mode(self, name: str) -> str:
        return self._execute("stat", "--format=%a", f"{self.folder}/{name}").stdout.strip()

    def _execute(self, *words: str) -> Done:
        line = [*self.command, "exec", *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def terminal(server: Callable[..., str]) -> Iterator[Terminal]:
    """Return the operator's terminal on the server."""
    folder = server("exec", "mktemp", "--directory").strip()
    yield Terminal(shlex.split(os.environ["CLASSROOM_SERVER"]), server("settings").strip(), folder)
    server("exec", "rm", "-r", folder)
