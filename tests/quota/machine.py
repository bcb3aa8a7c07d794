"""QEMU machine with Debian's kernel, for project quotas, which the host's kernel may not support.

It has no disk of its own. Its initial file system contains Debian's Python and our package. Without KVM it starts in
seven seconds.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("busybox-static", "e2fsprogs", "libseccomp2", "qemu-system-x86", "xfsprogs")
PROGRAMS = ("/bin/busybox", "mkfs.ext4", "qemu-system-x86_64", "mkfs.xfs")
PYTHON = Path(f"/usr/bin/python3.{sys.version_info.minor}")
"""Debian's: the libraries that it needs are few, and known to ldd."""

SECCOMP = Path("/usr/lib/x86_64-linux-gnu/libseccomp.so.2")
"""By which the engine installs the profile of containers."""

_DISTRIBUTIONS = ("annotated_types", "classroom", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection")
# In the order of their dependencies.
_MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "crc16",
    "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4", "quota_tree", "quota_v2", "xfs",
)  # fmt: skip
_DISK = 400 * 1024**2  # bytes; XFS makes none smaller than 300 MB
_BOOT = 240  # seconds

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
for disk in vda vdb vdc; do until [ -b /dev/$disk ]; do usleep 100000; done; done
mount -t ext4 -o prjquota /dev/vda /srv/ext4
mount -t xfs -o prjquota /dev/vdb /srv/xfs
mount -t ext4 /dev/vdc /srv/plain
PYTHONPATH=/site /usr/bin/python3 -S /check.py
poweroff -f
"""


def missing() -> str:
    """Return why the machine cannot run here; empty if it can."""
    if platform.machine() != "x86_64":
        return "the machine in QEMU is for x86-64"
    if not PYTHON.exists():
        return f"{PYTHON} is not there: the tests run by another Python than Debian's"
    found = [name for name in PROGRAMS if not shutil.which(name)]
    found += [] if SECCOMP.exists() else [SECCOMP.name]
    return f"{', '.join(found)} is missing: apt-get install {' '.join(PACKAGES)}" if found else ""


def run(check: Path, folder: Path) -> str:
    """Run a program as root in the machine and return its output; at /srv are three disks: ext4, xfs, plain (ext4).

    Args:
        check: the program; it may import `classroom.storage` and `classroom.settings.models`.
        folder: where the machine is put together.
    """
    release = _kernel(folder / "kernel")
    initial = _initial_files(folder / "root", folder / "kernel", release, check)
    disks = {
        "ext4": "mkfs.ext4 -q -O quota,project -E quotatype=prjquota",
        "xfs": "mkfs.xfs -q",
        "plain": "mkfs.ext4 -q",
    }
    drives = []
    for name, command in disks.items():
        disk = folder / f"{name}.img"
        with disk.open("wb") as file:
            file.truncate(_DISK)
        subprocess.run([*command.split(), disk], check=True, capture_output=True)
        drives += ["-drive", f"file={disk},if=virtio,format=raw"]
    command = [
        "qemu-system-x86_64", "-M", "q35", "-m", "1500", "-nographic", "-no-reboot", "-nic", "none", *drives,
        "-kernel", str(folder / f"kernel/boot/vmlinuz-{release}"), "-initrd", str(initial),
        "-append", "console=ttyS0 quiet panic=-1",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_BOOT)
    return done.stdout.decode(errors="replace").replace("\r", "")


def _kernel(folder: Path) -> str:
    """Unpack the kernel of Debian's `linux-image-amd64` and return its release."""
    shown = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, capture_output=True, text=True)
    found = re.search(r"Depends: (linux-image-\S+)", shown.stdout)
    assert found, shown.stdout
    folder.mkdir(parents=True)
    options = ["-o", "APT::Sandbox::User=root"]
    subprocess.run(["apt-get", *options, "download", "-q", found[1]], cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return found[1].removeprefix("linux-image-")


def _initial_files(root: Path, kernel: Path, release: str, check: Path) -> Path:
    for name in (
        "bin",
        "dev",
        "proc",
        "sys",
        "tmp",
        "modules",
        "site",
        "usr/bin",
        "usr/lib",
        "srv/ext4",
        "srv/xfs",
        "srv/plain",
    ):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in _MODULES:
        (module,) = (kernel / f"lib/modules/{release}/kernel").rglob(f"{name}.ko")
        shutil.copy(module, root / "modules")
    shutil.copy(PYTHON, root / "usr/bin/python3")
    library = Path(f"/usr/lib/{PYTHON.name}")
    leave = shutil.ignore_patterns("test", "idlelib", "tkinter", "__pycache__", "site-packages", "dist-packages")
    shutil.copytree(library, root / "usr/lib" / PYTHON.name, symlinks=True, ignore=leave)
    for name in _DISTRIBUTIONS:
        found = find_spec(name)
        assert found
        assert found.origin
        source = Path(found.origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, root / "site" / name, ignore=leave)
        else:
            shutil.copy(source, root / "site")
    _copy_libraries(root)
    shutil.copy(check, root / "check.py")
    init = root / "init"
    init.write_text(_INIT.format(modules=" ".join(_MODULES)))
    init.chmod(0o755)
    packed = root.with_suffix(".gz")
    names = "\n".join(["."] + [str(path.relative_to(root)) for path in sorted(root.rglob("*"))])
    archive = subprocess.run(
        ["/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), check=True, capture_output=True
    ).stdout
    packed.write_bytes(gzip.compress(archive, 1))
    return packed


def _copy_libraries(root: Path) -> None:
    programs = [PYTHON, SECCOMP, *root.rglob("*.so")]
    shown = subprocess.run(["ldd", *map(os.fspath, programs)], check=False, capture_output=True, text=True).stdout
    for path in sorted({str(SECCOMP), *re.findall(r"(/\S+\.so\S*) \(0x", shown)}):
        if not path.startswith(os.fspath(root)):
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
