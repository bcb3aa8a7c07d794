"""Wheels of the locks in directories, for images.nix."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from pathlib import Path


def fetch(lock: Path, folder: Path, only: set[str] | None = None) -> None:
    """Fill a directory with the wheels of a lock, once for each content of the lock; pip knows the index.

    Args:
        lock: requirements with hashes.
        folder: is made.
        only: names, if not all of the lock is wanted.

    Raises:
        subprocess.CalledProcessError: pip could not.
    """
    lines = re.split(r"\n(?=\S)", lock.read_text())
    wanted = "\n".join(line for line in lines if only is None or line.partition("==")[0] in only)
    requirements = folder / "requirements.txt"
    if (folder / "needs.json").exists() and requirements.read_text() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    requirements.write_text(wanted)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--require-hashes",
         "--disable-pip-version-check", "--wheel-dir", folder, "-r", requirements],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    wheels = {parse_wheel_filename(file.name)[0]: file for file in folder.glob("*.whl")}
    needs = {name: sorted(_needs(file) & wheels.keys()) for name, file in sorted(wheels.items())}
    (folder / "needs.json").write_text(json.dumps(needs, indent=1))


def _needs(wheel: Path) -> set[str]:
    """Return the requirements of a wheel on this Python, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    requirements = map(Requirement, metadata.get_all("Requires-Dist") or [])
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
