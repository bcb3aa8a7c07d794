"""Evaluation of this project by Nix on <nixpkgs>, and builds of small artefacts with the tools of this machine."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
HERE = Path(__file__).parent

slow = pytest.mark.skipif(
    not os.environ.get("CLASSROOM_TEST_NIX"),
    reason="takes minutes: CLASSROOM_TEST_NIX=1 runs it",
)

# Reading an option of the module must not build anything.
_NO_BUILD = ("--option", "allow-import-from-derivation", "false")
EVALUATE = ("nix-instantiate", "--eval", "--strict", "--json", *_NO_BUILD)
"""Command that evaluates an expression; it prints the value as JSON."""

# For a machine without build users and a binary cache.
_CONFIGURATION = "build-users-group =\nsubstituters =\nsandbox = false\n"


class NixError(AssertionError):
    """Nix refused; the message is its error output."""


@functools.cache
def missing() -> str:
    """Return why Nix cannot run here; empty if it can."""
    if not shutil.which("nix-instantiate"):
        return "nix is not installed (apt-get install nix-bin)"
    found = _run(["nix-instantiate", "--find-file", "nixpkgs"])
    if found.returncode:
        return "there is no <nixpkgs> (nix-channel --add, or NIX_PATH=nixpkgs=/path/to/nixpkgs)"
    return ""


def evaluate(expression: str, **arguments: str) -> Any:
    """Return the value of a Nix expression in which `t` is tests/nix/default.nix, through JSON.

    Raises:
        NixError: it does not evaluate.
    """
    text = f"let t = import {HERE} {{ }}; in {expression}"
    options = [part for name, value in arguments.items() for part in ("--arg", name, value)]
    return json.loads(run([*EVALUATE, *options, "--expr", text]))


def build(expression: str) -> Path:
    """Build a derivation and return its store path.

    Raises:
        NixError: it does not build.
    """
    return Path(run(["nix-build", "--no-out-link", "--expr", expression]).split()[-1])


def run(command: list[str]) -> str:
    """Run a command of Nix in the repository and return its output.

    Raises:
        NixError: it failed.
    """
    done = _run(command)
    if done.returncode:
        raise NixError(done.stderr)
    return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NIX_CONFIG": os.environ.get("NIX_CONFIG", _CONFIGURATION)}
    return subprocess.run(
        command, check=False, text=True, capture_output=True, env=environment, cwd=REPOSITORY, timeout=1500
    )
