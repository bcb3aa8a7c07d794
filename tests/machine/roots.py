"""Root file system of the machines: Debian's programs, the hub's environment and the proxy, without /etc."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from images.student import debian
from images.student.common import cache_directory, key, locked, remove_others
from nix import hub_dockerfile
from nix.evaluation import REPOSITORY

_PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "dnsmasq-base",
    "docker-cli",
    "docker.io",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "nftables",
    "nginx-light",
    "nodejs",
    "perl",
    "procps",
    "python3",
    "python3-venv",
    "restic",
    "sqlite3",
    "systemd",
    "systemd-sysv",
    # For NixOS's switch-to-configuration.
    "libconfig-inifiles-perl",
    "libfile-slurp-perl",
    "libjson-perl",
    "libnet-dbus-perl",
    "libxml-twig-perl",
    "perl-openssl-defaults",
)
_LOCKS = ("hub.txt", "npm/package-lock.json")


def machine_root() -> Path:
    """Return the root of the machines; create it if necessary (two minutes)."""
    locks = [(REPOSITORY / "python/locks" / name).read_text() for name in _LOCKS]
    root = cache_directory() / f"machine-{key([*_PACKAGES, *locks], {})}"
    with locked(root.name):
        if not root.exists():
            partial = root.with_name(root.name + ".new")
            shutil.rmtree(partial, ignore_errors=True)
            debian.make_root(partial, _PACKAGES)
            _install(partial)
            _empty_etc(partial)
            partial.rename(root)
            remove_others(root)
    return root


def mount_layers(lower: str, directory: Path) -> Path:
    """Mount a root file system on top of others, and return where.

    Args:
        lower: directories that stay as they are, the upper ones first, with colons between.
        directory: for what differs from them.
    """
    changes, work, tree = (directory / name for name in ("changes", "work", "tree"))
    for place in (changes, work, tree):
        place.mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={lower},upperdir={changes},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, tree], check=True)
    return tree


def install_package(root: Path) -> None:
    """Install this checkout's package into a root that `machine_root` made."""
    (site,) = (root / "opt/classroom/lib").glob("python3.*/site-packages")
    unpack_package(site)
    program = root / "opt/classroom/bin/classroom"
    program.write_text("#!/opt/classroom/bin/python\nfrom classroom.cli.main import main\nmain()\n", encoding="ascii")
    program.chmod(0o755)


def unpack_package(site: Path) -> None:
    """Build this checkout's package and unpack it into a directory of packages."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, f"--wheel-dir={directory}", REPOSITORY / "python"], check=True)
        (wheel,) = Path(directory).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def _install(root: Path) -> None:
    hub_dockerfile.fetch()
    shutil.copytree(hub_dockerfile.CACHE / "wheels", root / "opt/wheels")
    shutil.copytree(hub_dockerfile.CACHE / "node_modules", root / "opt/proxy/node_modules", symlinks=True)
    subprocess.run(["chroot", root, "python3", "-m", "venv", "/opt/classroom"], check=True)
    _pip(root, "setuptools", "hatchling")
    (root / "opt/hub.txt").write_bytes((REPOSITORY / "python/locks/hub.txt").read_bytes())
    _pip(root, "--no-deps", "--no-build-isolation", "--requirement=/opt/hub.txt")


def _pip(root: Path, *arguments: str) -> None:
    command = ["/opt/classroom/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        ["chroot", root, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PIP_ROOT_USER_ACTION=ignore",
         *command, "--no-index", "--find-links=/opt/wheels", *arguments],
        check=True,
    )  # fmt: skip


def _empty_etc(root: Path) -> None:
    """Remove Debian's /etc, which NixOS's activation fills, after links into it are made direct."""
    for directory in ("usr/bin", "usr/sbin"):
        for link in (root / directory).iterdir():
            if link.is_symlink() and str(link.readlink()).startswith("/etc/alternatives/"):
                target = (root / str(link.readlink()).lstrip("/")).readlink()
                link.unlink()
                link.symlink_to(target)
    for directory in ("etc", "run"):
        shutil.rmtree(root / directory)
        (root / directory).mkdir()
    for directory in ("nix/store", "var/empty", "var/lib/nginx"):
        (root / directory).mkdir(parents=True, exist_ok=True)
