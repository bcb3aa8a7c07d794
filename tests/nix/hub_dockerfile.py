"""The image of images/hub/Dockerfile, built in an engine that reaches no network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from images.student import debian, wheels
from images.student.common import cache_directory, files_of, key, remove_others
from nix.evaluation import REPOSITORY
from nix.image_build import BUILD, LOCKS

if TYPE_CHECKING:
    from pathlib import Path

    from images.student.docker import Docker

_BASE = "classroom-hub-base:latest"
CACHE = (REPOSITORY / ".cache/hub-dockerfile").resolve()  # npm refuses a directory behind a link
_SOURCES = {"onetimepass"}
_DIRECTORIES = ("images/hub", "modules/nginx", "python/locks", "python/src/classroom")


def fetch() -> None:
    """Fetch what the image needs from the network, once for each content of the locks."""
    root = _root()
    if (CACHE / key([_lock()], {})).exists():
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    # An environment with pip says which wheels fit.
    chroot = ["chroot", str(root)]
    subprocess.run([*chroot, "python3", "-m", "venv", "/opt/classroom"], check=True)
    command = [*chroot, "/opt/classroom/bin/python", "-c", (REPOSITORY / "images/student/tags.py").read_text()]
    tags = json.loads(subprocess.run(command, check=True, input=_lock(), text=True, stdout=subprocess.PIPE).stdout)
    shutil.rmtree(root / "opt/classroom")
    shutil.copytree(wheels.download_lock(tags, "hub-wheels"), CACHE / "wheels")
    _fetch_sources(CACHE)
    for name in ("package.json", "package-lock.json"):
        (CACHE / name).write_bytes((LOCKS / "npm" / name).read_bytes())
    command = ["npm", "ci", f"--prefix={CACHE}", f"--cache={CACHE}", "--ignore-scripts", "--no-audit"]
    subprocess.run(command, check=True, capture_output=True)
    (CACHE / key([_lock()], {})).touch()


def build(docker: Docker) -> str:
    """Build the image and return its name."""
    docker.import_root(_root(), _BASE, "hub")
    files = {f"{part}/{file.relative_to(REPOSITORY / part)}": file for part in _DIRECTORIES
             for file in files_of(REPOSITORY / part)}  # fmt: skip
    files["python/pyproject.toml"] = REPOSITORY / "python/pyproject.toml"
    files |= {f"images/hub/wheels/{file.name}": file for file in files_of(CACHE / "wheels")}
    files |= {f"images/hub/npm/{file.relative_to(CACHE)}": file for file in files_of(CACHE / "_cacache")}
    options = [f"--build-arg=BASE_IMAGE={_BASE}", "--file=images/hub/Dockerfile", "--network=none"]
    docker.build(files, *options, "--build-arg=PIP_NO_INDEX=1", "--tag=classroom-hub:dockerfile")
    return "classroom-hub:dockerfile"


def _root() -> Path:
    packages = (REPOSITORY / "images/hub/packages.txt").read_text().split()
    root = cache_directory() / f"hub-root-{key([debian.SUITE, *packages], {})}"
    if not root.exists():
        debian.make_root(root, packages)
        remove_others(root)
    return root


def _lock() -> str:
    """Return the locks of hub and Node, and the lines of the tests' lock that build the package."""
    lines = {}
    for name in ("hub", "node", "dev"):
        for line in re.split(r"\n(?=\S)", (LOCKS / f"{name}.txt").read_text()):
            package = line.partition("==")[0]
            if package not in _SOURCES and (name != "dev" or package in BUILD):
                lines[line.partition(" \\")[0]] = line
    return "\n".join(lines.values())


def _fetch_sources(directory: Path) -> None:
    """Download the packages that have no wheel, and what builds them."""
    lines = re.split(r"\n(?=\S)", (LOCKS / "hub.txt").read_text())
    lock = directory / "sources.txt"
    lock.write_text("\n".join(line for line in lines if line.partition("==")[0] in _SOURCES))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={directory}/wheels"]
    for requirement in (["--require-hashes", f"--requirement={lock}"], ["setuptools"]):
        subprocess.run([*command, *requirement], check=True, capture_output=True)
