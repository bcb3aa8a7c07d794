"""Tests of Nix are skipped, with the reason, where there is no Nix to ask."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nix_evaluation import HERE, evaluate, missing


@pytest.fixture(scope="session")
def debian() -> None:
    """Packages of which tests/nix/host-toolchain.nix makes its tools."""
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.path.name != "test_nix_pins.py" and (reason := missing()):
        pytest.skip(reason)
