"""Debian machine with the record: `recorded_root` puts packages, units, /etc and scripts into the stack's root."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from images.student.common import cache_directory, key, locked, remove_others, run
from machine.record import DIRECTIVES, LINKS, PROGRAMS, RECORD, recorded
from machine.roots import unpack_package
from nix.evaluation import REPOSITORY
from nix.image_build import PROXY, node_program
from stack.roots import engine_root

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = REPOSITORY / "python/locks/hub.txt"
_SOURCES = {"onetimepass"}
"""Packages of the lock that have no wheel; they have no compiled part."""
TOPLEVEL = Path("/nix/store/recorded")
"""What stands on the machine for a NixOS system."""
_SCRIPTS = {
    "opt/debian/bin/classroom": "#!/usr/bin/python3\nfrom classroom.cli.main import main\nmain()\n",
    "opt/debian/bin/configurable-http-proxy": "#!/bin/sh\n"
    'exec /opt/proxy/node /opt/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy "$@"\n',
    "nix/store/recorded/activate": "#!/bin/sh\nln -sfn /nix/store/recorded /run/current-system\n",
}


@contextlib.contextmanager
def recorded_root(directory: Path) -> Iterator[Path]:
    """Mount a root file system with the record, and this checkout's package and proxy.

    Args:
        directory: for what differs from the stack's root.
    """
    root = engine_root()
    changes, work, tree = (directory / name for name in ("changes", "work", "tree"))
    for place in (changes, work, tree):
        place.mkdir()
    layers = f"lowerdir={_hub_packages(root)}:{root},upperdir={changes},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, tree], check=True)
    try:
        _install_class(tree)
        _install_programs(tree)
        _install_record(tree)
        yield tree
    finally:
        subprocess.run(["umount", tree], check=False)


def _site(root: Path) -> Path:
    """Return the directory, relative to a root, for packages of its Python that are not Debian's."""
    (version,) = (path.name for path in (root / "usr/lib").glob("python3.*"))
    return Path("usr/local/lib") / version / "dist-packages"


def _hub_packages(root: Path) -> Path:
    """Return a layer with the hub's packages for the Python of a root; create it if necessary (half a minute)."""
    site = _site(root)
    layer = cache_directory() / f"hub-packages-{key([_LOCK.read_text(encoding='utf-8'), str(site), root.name], {})}"
    with locked("hub-packages"):
        if not layer.exists():
            partial = layer.with_name(layer.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _pip_install(partial / site, site.parent.name.removeprefix("python"))
            _compile(root, partial / site)
            partial.rename(layer)
            remove_others(layer)
    return layer


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
            run([*command, *options, f"--requirement={lock}"], failure="pip could not install the hub's packages")


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
    command = ["unshare", "--mount", "sh", "-euc", script, "sh", str(packages), str(root), str(_site(root))]
    # A package may have a file for another version of Python.
    subprocess.run(command, check=False)


def _install_class(tree: Path) -> None:
    unpack_package(tree / _site(tree))
    subprocess.run(["chroot", tree, "python3", "-m", "compileall", "-q", f"/{_site(tree)}/classroom"], check=True)
    shutil.copytree(PROXY / "node_modules", tree / "opt/proxy/node_modules", symlinks=True)
    shutil.copy(node_program(), tree / "opt/proxy/node")


def _install_programs(tree: Path) -> None:
    """Make the directory that stands for each package of the record: Debian's programs and data."""
    programs = tree / "opt/debian"
    (programs / "bin").mkdir(parents=True)
    for directory in ("usr/bin", "usr/sbin"):
        for program in (tree / directory).iterdir():
            (programs / "bin" / program.name).unlink(missing_ok=True)
            (programs / "bin" / program.name).symlink_to(f"/{directory}/{program.name}")
    for name, target in (("sbin", "bin"), ("lib", "/usr/lib"), ("share", "/usr/share"), ("conf", "/etc/nginx")):
        (programs / name).symlink_to(target)
    (programs / "etc").symlink_to("/etc")


def _install_record(tree: Path) -> None:
    """Put the record in the place of Debian's own configuration of systemd."""
    shutil.rmtree(tree / "etc/systemd/system")
    for name, text in recorded().items():
        if name.partition("/")[0] in {"etc", "store"}:
            _write(tree / name.replace("store/", "nix/store/", 1), text)
    for line in (RECORD / LINKS).read_text(encoding="utf-8").splitlines():
        name, target = line.split()
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)
    for package in set(re.findall(r"/nix/store/([\w.+?=-]+)", "\n".join(recorded().values()))):
        if PROGRAMS.fullmatch(package):
            (tree / "nix/store" / package).symlink_to("/opt/debian")
    shutil.copytree(DIRECTIVES, tree / "nix/store/nginx")
    # The machines share a kernel, and Debian brings no modules for it.
    (tree / "etc/systemd/system/systemd-modules-load.service").symlink_to("/dev/null")
    # Else a first boot renews the caches of libraries, users and journal.
    for name in ("etc", "var"):
        (tree / name / ".updated").touch()
    for name, text in _SCRIPTS.items():
        _write(tree / name, text)
    (tree / "nix/store/recorded/sw").symlink_to("/opt/debian")
    _write(tree / "etc/hostname", "classroom\n")
    _write(tree / "etc/resolv.conf", "nameserver 10.99.0.53\n")
    _write(tree / "var/lib/backup-password", "of this test\n")
    subprocess.run(["chroot", tree, "systemd-sysusers"], check=True, capture_output=True)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")
    if text.startswith("#!"):
        file.chmod(0o755)
