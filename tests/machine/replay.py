"""Debian machine with the record: `recorded_root` puts packages, units, /etc and scripts into the stack's root."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from machine.record import DIRECTIVES, LINKS, PAGES, PROGRAMS, RECORD, recorded
from machine.roots import mount_layers, unpack_package
from nix.image_build import PROXY, node_program
from stack import hub_packages
from stack.roots import engine_root

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    tree = mount_layers(f"{hub_packages.layer(root)}:{root}", directory)
    try:
        _install_class(tree)
        _install_programs(tree)
        _install_record(tree)
        yield tree
    finally:
        subprocess.run(["umount", tree], check=False)


def _install_class(tree: Path) -> None:
    unpack_package(tree / hub_packages.site(tree))
    subprocess.run(
        ["chroot", tree, "python3", "-m", "compileall", "-q", f"/{hub_packages.site(tree)}/classroom"], check=True
    )
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
    shutil.copytree(PAGES, tree / "nix/store/pages")
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
