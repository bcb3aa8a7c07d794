"""Fixtures of the Nix tests, which are skipped with the reason where there is no Nix."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nix import image_build
from nix.evaluation import HERE, evaluate, missing


@pytest.fixture(scope="session")
def debian() -> None:
    """Return the packages from which tests/nix/host-toolchain.nix takes its tools."""
    release = Path("/etc/os-release")
    if not release.exists() or 'VERSION_ID="12"' not in release.read_text():
        pytest.skip("what is built here is built with the packages of Debian 12, which this is not")
    wanted = evaluate(f'(import {HERE}/host-toolchain.nix {{ nixpkgs = <nixpkgs>; gixy = ""; }}).hostDebs')
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"],
        check=True,
        text=True,
        capture_output=True,
    ).stdout
    lacking = [name for name in wanted if f"{name} installed" not in listed.splitlines()]
    if lacking:
        pytest.skip(f"tests/install-packages {' '.join(lacking)}")


@pytest.fixture(scope="session")
def images(debian: None) -> str:  # noqa: ARG001
    """Return a Nix expression for the images of images.nix."""
    if not image_build.PROXY.exists():
        pytest.skip(f"there is no {image_build.PROXY}: make .cache/node/ready")
    try:
        return image_build.expression()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"pip cannot fetch the packages of the locks: {error.stderr[-300:]}")


@pytest.fixture(scope="session")
def server() -> Callable[..., str]:
    """Return the engine of the stack (`python -m stack run`)."""
    command = os.environ.get("CLASSROOM_SERVER")
    if not command:
        pytest.skip(os.environ.get("CLASSROOM_SKIP") or "CLASSROOM_SERVER is not set: no engine to load images into")

    def run(*words: str, stdin: Path | None = None) -> str:
        with (stdin or Path(os.devnull)).open("rb") as file:
            done = subprocess.run(
                [*shlex.split(command), *words], check=False, stdin=file, capture_output=True, text=True
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.path.name != "test_nix_pins.py" and (reason := missing()):
        pytest.skip(reason)
