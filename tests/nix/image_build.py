"""Images of images/*.nix, built from the wheels of the locks with this machine's tools (images.nix)."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from nix import npm
from nix.evaluation import HERE, REPOSITORY, build
from nix.wheels import fetch

LOCKS = REPOSITORY / "python/locks"
PROXY = REPOSITORY / ".cache/node"
# The build system of this project's package: hatchling and its dependencies.
BUILD = {"hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}


def expression() -> str:
    """Return a Nix expression for the images of images.nix; the wheels are fetched when the locks have changed.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch them.
    """
    wheels = REPOSITORY / ".cache/nix/wheels"
    fetch(LOCKS / "hub.txt", wheels / "hub")
    fetch(LOCKS / "student.txt", wheels / "student")
    fetch(LOCKS / "dev.txt", wheels / "build", BUILD)
    npm.fetch(REPOSITORY / ".cache/nix/npm")
    gixy = Path(sys.prefix) / "bin/gixy"
    return (
        f'(import {HERE}/images.nix {{ gixy = "{gixy}"; wheels = {wheels}; '
        f'npm = {REPOSITORY}/.cache/nix/npm; node = "{node_program()}"; }})'
    )


def stream(image: str, file: Path) -> None:
    """Build an image and write it as `docker load` takes it."""
    with file.open("wb") as output:
        subprocess.run([build(image)], check=True, stdout=output, stderr=subprocess.DEVNULL)


def configuration(archive: Path) -> tuple[str, dict[str, Any], int]:
    """Return reference, configuration and number of layers of an image."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> Any:
            file = tar.extractfile(name)
            assert file
            return json.load(file)

        manifest = read("manifest.json")[0]
        return manifest["RepoTags"][0], read(manifest["Config"]), len(manifest["Layers"])


def layers(archive: Path) -> dict[str, int]:
    """Return digest and size in bytes of each layer, the lowest first."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        assert file
        return {name: tar.getmember(name).size for name in json.load(file)[0]["Layers"]}


def node_program() -> str:
    """Return the executable itself: the `node` that `make` calls may be a script of a Python package."""
    called = shlex.split((PROXY / "bin/configurable-http-proxy").read_text().splitlines()[-1])[1]
    return subprocess.run(
        [called, "-p", "process.execPath"], check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip
