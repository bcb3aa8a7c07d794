"""Wheels for the image's Python, downloaded by the pip of this machine: its configuration says from where."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from images.student.common import ImageError, cache_directory, key, remove_others, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def download_lock(wanted: Mapping[str, Any], name: str = "wheels") -> Path:
    """Download the wheels of a lock by their hashes, and return their directory.

    Args:
        wanted: what `tags.tags` returns.
        name: of the directory in the cache.
    """
    directory = cache_directory() / f"{name}-{key([json.dumps(wanted)], {})}"
    if directory.exists():
        return directory
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    requirements = partial / "requirements.txt"
    requirements.write_text(wanted["requirements"], encoding="utf-8")
    options = [*_pip_options(wanted), "--no-deps", "--require-hashes", "-r", str(requirements)]
    run(
        [*_pip(), "download", "--dest", str(partial), *options],
        failure="pip could not download the packages of the lock",
    )
    partial.rename(directory)
    remove_others(directory)
    return directory


def download(wanted: Mapping[str, Any], requirements: Sequence[str], directory: Path) -> None:
    """Download wheels of packages and of what they need.

    pip reads markers with the Python that it runs on (https://github.com/pypa/pip/issues/11664): a dependency that only
    the image's version has must be named.

    Args:
        wanted: what `tags.tags` returns.
        requirements: the packages.
        directory: a directory that is made.
    """
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [*_pip(), "download", "--dest", str(partial), *_pip_options(wanted), *requirements]
    run(command, failure="pip could not download the packages")
    partial.rename(directory)


def _pip_options(wanted: Mapping[str, Any]) -> list[str]:
    return [
        "--only-binary=:all:",
        "--quiet",
        "--disable-pip-version-check",
        "--implementation=cp",
        f"--python-version={wanted['python']}",
        *(f"--platform={name}" for name in wanted["platforms"]),
        *(f"--abi={name}" for name in wanted["abis"]),
    ]


def _pip() -> Sequence[str]:
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    for program in ("pip3", "pip"):
        if found := shutil.which(program):
            return [found]
    raise ImageError("pip is not installed (apt-get install python3-pip)")
