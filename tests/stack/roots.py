"""Cache of the engine's root file system and the proxy."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

from images.student import debian
from images.student.common import cache_directory, locked
from stack.common import REPOSITORY, StackError, run, search_path
from stack.requirements import MAKES_PROXY, node

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = (
    "ca-certificates",
    "dbus",
    "dnsmasq-base",
    "docker-cli",
    "docker.io",
    "iproute2",
    "iptables",
    "nftables",
    "nginx",
    "procps",
    # For tests/machine/test_recorded.py, which boots this root.
    "python3",
    "restic",
    "systemd",
    "systemd-sysv",
)
"""Docker 26, the first with CDI devices on by a switch, and what the stack uses of its side: nothing of it is the
machine's own. CLASSROOM_TEST_SUITE names another release of Debian, for the engine of that release."""


def engine_root() -> Path:
    """Return the root file system of the engine, Nginx, nft and ip; create it if necessary (under a minute)."""
    suite = os.environ.get("CLASSROOM_TEST_SUITE") or debian.SUITE
    content = hashlib.sha256(" ".join([*_PACKAGES, suite]).encode()).hexdigest()[:12]
    root = cache_directory() / f"engine-{content}"
    if not root.exists():
        command: list[str | Path] = [sys.executable, "-m", "images.student", "root", "--suite", suite, root, *_PACKAGES]
        run(command, environment={"PYTHONPATH": str(REPOSITORY)})
    return root


def proxy_command() -> list[str]:
    """Return the command of configurable-http-proxy in the locked version, installed by make or here.

    Raises:
        StackError: no Node, or npm failed.
    """
    if MAKES_PROXY.exists():
        return [str(MAKES_PROXY)]
    program = node()
    if program is None:
        raise StackError("Node is missing")
    lock = REPOSITORY / "python/locks/npm/package-lock.json"
    directory = cache_directory() / f"proxy-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    with locked(directory.name):
        if not directory.exists():
            partial = directory.with_name(directory.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(lock.parent, partial)
            npm = shutil.which("npm", path=search_path())
            if npm is None:
                raise StackError("npm is missing")
            run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", partial])
            partial.rename(directory)
    return [*program, str(directory / "node_modules/configurable-http-proxy/bin/configurable-http-proxy")]
