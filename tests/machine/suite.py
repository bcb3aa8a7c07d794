"""The suites of `tests` that every class passes, run by this computer's pytest in the network of a machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from machine.machine import URL
from machine.outside import MACHINE
from nix.evaluation import REPOSITORY
from stack.world import ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from machine.machine import Machine
    from machine.world import World

_VERBS = REPOSITORY / "tests/nixos/common/server.sh"
_FIXED: dict[str, str] = json.loads(_VERBS.with_name("fixed.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Outcome:
    """What pytest reported."""

    passed: int
    failed: int
    skipped: set[tuple[str, str]]
    """Names as `test_storage::test_name`, or of a file without a test that runs, and reasons."""
    seconds: float
    output: str

    @staticmethod
    def read(report: Path, seconds: float, output: str) -> Outcome:
        """Read a report in the format of JUnit."""
        cases = [case for case in ET.parse(report).iter("testcase") if case.get("classname")]  # noqa: S314 - ours
        failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
        skips = [(_file(case), _test(case), mark.get("message", "")) for case in cases for mark in case.iter("skipped")]
        sizes, alike = Counter(map(_file, cases)), Counter((file, reason) for file, _, reason in skips)
        skipped = {
            (file if alike[file, reason] == sizes[file] else f"{file}::{test}", reason) for file, test, reason in skips
        }
        return Outcome(len(cases) - failed - len(skips), failed, skipped, seconds, output)


def needs(what: str) -> str:
    """Return the reason for which a test with the mark `needs` is skipped."""
    return f"{what} cannot be changed here: {_FIXED[what]}"


def run(machine: Machine, world: World, password: str, files: Sequence[str]) -> Outcome:
    """Run the tests of some files and directories of this repository against a machine.

    Args:
        machine: it gets the verbs of the server in /opt.
        world: where the verb `outside` runs its command.
        password: of the instructor, which no login has to change.
        files: relative to the repository.
    """
    # systemd-nspawn mounts it read-only. What tests set there, they restore.
    machine.run("mount", "-o", "remount,rw,bind", "/proc/sys")
    report, begin = machine.directory / "report.xml", time.monotonic()
    pytest = [sys.executable, "-m", "pytest", "-c", "python/pyproject.toml", "--rootdir=.", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*machine.enter_network(), *pytest, f"--junitxml={report}", *files],
        check=False, cwd=REPOSITORY, text=True, env=_environment(machine, world, password),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert report.exists(), done.stdout
    return Outcome.read(report, time.monotonic() - begin, done.stdout)


def _environment(machine: Machine, world: World, password: str) -> dict[str, str]:
    """Return the environment in which the suite finds the class of a machine (tests/behaviour/conftest.py)."""
    shutil.copy(_VERBS, machine.directory / "tree/opt/server.sh")
    program = machine.directory / "server"
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = outside ] && shift && exec {shlex.join(world.enter())} "$@"\n'
        # A test may kill the command that it runs.
        f'exec {shlex.join(machine.enter())} setpriv --pdeathsig KILL bash -euo pipefail /opt/server.sh "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return os.environ | {
        "CLASSROOM_URL": URL,
        "CLASSROOM_SERVER": str(program),
        "CLASSROOM_ADMIN": "teacher",
        "CLASSROOM_ADMIN_PASSWORD": password,
        "CLASSROOM_ROOT": str(machine.root),
        "CLASSROOM_FIXED": json.dumps(_FIXED),
        "CLASSROOM_OUTSIDE": json.dumps({**ADDRESSES, "uplink": MACHINE}),
        "PYTHONPATH": f"{REPOSITORY}/tests:{REPOSITORY}/python/src:{REPOSITORY}",
    }


def _file(case: ET.Element) -> str:
    return case.get("classname", "").rpartition(".")[2]


def _test(case: ET.Element) -> str:
    return case.get("name", "").partition("[")[0]
