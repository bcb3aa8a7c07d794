"""Fixtures of the machines; where they cannot be made, the tests are skipped with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from machine.machine import Machine, machine, set_password
from machine.outside import Outside, outside
from machine.outside import missing as missing_outside
from machine.roots import install_package, machine_root, mount_layers
from machine.systems import LOCAL, PLAIN, build_system
from nix.conftest import debian  # noqa: F401 - a fixture
from nix.evaluation import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURES = pytest.StashKey[list[str]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.path.name == "test_recorded.py":
        return
    if not os.environ.get("CLASSROOM_TEST_MACHINE"):
        pytest.skip("takes minutes: CLASSROOM_TEST_MACHINE=1 runs it (make test-machine)")
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        pytest.skip("needs root and systemd-nspawn (apt-get install systemd-container)")
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def root(debian: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:  # noqa: ARG001, F811
    """Return the machines' root, with the package of this checkout."""
    tree = mount_layers(str(machine_root()), tmp_path_factory.mktemp("root"))
    try:
        install_package(tree)
        yield tree
    finally:
        subprocess.run(["umount", tree], check=False)


@pytest.fixture(scope="module", params=sorted(LOCAL))
def host(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a host of tests/hosts."""
    system = build_system(request.param, LOCAL[request.param])
    with machine(tmp_path_factory.mktemp(request.param), root, system) as made:
        made.host = request.param
        yield made


@pytest.fixture(scope="session")
def classroom(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a class without a domain, with the student image that Nix makes."""
    with machine(tmp_path_factory.mktemp("class"), root, build_system("minimal", PLAIN, image=True)) as made:
        for unit in ("classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(unit, 300)
        yield made


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Return a host outside, whose ACME server has not started."""
    if reason := missing_outside():
        pytest.skip(reason)
    with outside(tmp_path_factory.mktemp("outside")) as made:
        yield made


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Return a list of measured figures, which the summary prints."""
    return request.config.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("figures of machines")
        for line in figures:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def password(classroom: Machine) -> str:
    """Return the instructor's password, which no login has to change."""
    return set_password(classroom)
