"""Packages of the hub for the Python of the engine's root, which tests/machine/test_recorded.py boots."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from images.student.common import cache_directory, key, locked, remove_others
from stack.common import REPOSITORY, run

_LOCK = REPOSITORY / "python/locks/hub.txt"
_SOURCES = {"onetimepass"}
"""Packages of the lock that have no wheel; they have no compiled part."""


def site(root: Path) -> Path:
    """Return the directory, relative to a root, for packages of its Python that are not Debian's."""
    return Path("usr/local/lib") / (root / "usr/bin/python3").readlink().name / "dist-packages"


def layer(root: Path) -> Path:
    """Return a layer with the hub's packages for the Python of a root; create it if necessary (half a minute)."""
    place = site(root)
    made = cache_directory() / f"hub-packages-{key([_LOCK.read_text(encoding='utf-8'), str(place), root.name], {})}"
    with locked("hub-packages"):
        if not made.exists():
            partial = made.with_name(made.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _pip_install(partial / place, place.parent.name.removeprefix("python"))
            _compile(root, partial / place)
            partial.rename(made)
            remove_others(made)
    return made


def _pip_install(target: Path, version: str) -> None:
    """Install the packages of the lock for another Python, by the pip of this one."""
    lines = re.split(r"\n(?=\S)", _LOCK.read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--root-user-action=ignore", "--require-hashes", f"--target={target}"]
    with tempfile.TemporaryDirectory() as directory:
        for name, options in (("wheels", _wheel_options(version)), ("sources", [])):
            lock = Path(directory) / name
            chosen = [line for line in lines if (line.partition("==")[0] in _SOURCES) == (name == "sources")]
            lock.write_text("\n".join(chosen), encoding="utf-8")
            run([*command, *options, f"--requirement={lock}"])


def _wheel_options(version: str) -> list[str]:
    """Return pip's options for wheels that fit a Python of Debian, such as 3.13."""
    # Debian 13's C library is 2.41.
    platforms = [f"manylinux_2_{number}_{platform.machine()}" for number in range(41, 4, -1)]
    return [
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={version}"),
        *(f"--abi={abi}" for abi in (f"cp{version.replace('.', '')}", "abi3", "none")),
        *(f"--platform={name}" for name in (*platforms, f"manylinux2014_{platform.machine()}")),
    ]


def _compile(root: Path, packages: Path) -> None:
    """Compile packages for the Python of a root, so that no process of the machine has to."""
    script = 'mount --bind "$1" "$2/mnt"; exec chroot "$2" python3 -m compileall -q -j2 -s /mnt -p "/$3" /mnt'
    command = ["unshare", "--mount", "sh", "-euc", script, "sh", str(packages), str(root), str(site(root))]
    # A package may have a file for another version of Python.
    subprocess.run(command, check=False)
