"""Nix of Debian's later releases evaluates each host to one and the same system, with little memory."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from images.student import debian
from images.student.common import cache_directory, locked
from nix.evaluation import EVALUATE, HERE, run, slow
from nix.test_nix_hosts import HOSTS

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 1_500_000_000
"""Bytes of Nix's heap."""
VERSIONS = {"trixie": "2.26", "forky": "2.34"}
"""By release of Debian."""

pytestmark = [slow, pytest.mark.skipif(bool(debian.missing()), reason=str(debian.missing()))]


@pytest.fixture(scope="module")
def evaluators() -> list[list[str]]:
    """Return the commands that evaluate with other versions of Nix."""
    programs = {version: _nix(_root(suite)) for suite, version in VERSIONS.items()}
    for version, program in programs.items():
        shown = subprocess.run([*program, "--version"], check=True, text=True, capture_output=True).stdout
        assert f" {version}." in shown
    # They do not touch this machine's store, which is of an older version.
    return [[*program, *EVALUATE[1:], "--store", "dummy://"] for program in programs.values()]


@pytest.mark.parametrize("host", HOSTS)
def test_later_versions_evaluate_a_host_to_one_system(tmp_path: Path, evaluators: list[list[str]], host: str) -> None:
    statistics = tmp_path / "statistics.json"
    show = ["/usr/bin/env", "NIX_SHOW_STATS=1", f"NIX_SHOW_STATS_PATH={statistics}"]
    systems = set()
    for evaluator in evaluators:
        systems.add(run([*show, *evaluator, "--expr", _expression(host)]).strip())
        assert json.loads(statistics.read_text(encoding="utf-8"))["gc"]["heapSize"] < MEMORY
    (system,) = systems
    assert "-nixos-system-" in system


def _expression(host: str) -> str:
    return f'(import {HERE} {{ system = "x86_64-linux"; }}).toplevels.{host}'


def _root(suite: str) -> Path:
    """Return a root file system with Nix of a release (a minute, once)."""
    root = cache_directory() / f"nix-{suite}"
    with locked(root.name):
        if not root.exists():
            # debootstrap does not find what provides nix-bin's virtual dependency.
            debian.make_root(root, ["nix-bin", "libdbi-perl"], suite)
    return root


def _nix(root: Path) -> list[str]:
    """Return the beginning of a command line: a release's nix-instantiate with its own loader and libraries."""
    libraries = ":".join(str(root / folder) for folder in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    loader = root / "lib64/ld-linux-x86-64.so.2"
    return [str(loader), "--library-path", libraries, "--argv0", "nix-instantiate", str(root / "usr/bin/nix")]
