"""Checks of the GPUs: CDI specifications, device files, and the driver's versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from classroom.doctor import engine, units
from classroom.doctor.checks import ok, only_root, warning, wrong
from classroom.gpus.allocation import class_gpu_problems
from classroom.gpus.inventory import cdi_cache_at
from classroom.gpus.mps import PID_FILE, SETTINGS_FILE
from classroom.gpus.telemetry.sample import read_sample
from classroom.settings.groups import gpu_rules, offers_gpus
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from classroom.doctor.checks import Finding
    from classroom.gpus.inventory import Inventory
    from classroom.settings.models import Settings

ABOUT, DRIVER, MPS = "GPUs", "driver", "CUDA MPS"
_LIBRARIES = (
    "run/opengl-driver/lib",  # NixOS
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
)


def check_gpus(settings: Settings, root: Path | None = None) -> Iterable[Finding]:
    """Check that the machine has the GPUs of the settings.

    Args:
        settings: the class's.
        root: the machine's root directory; None detects it.
    """
    if not offers_gpus(settings):
        yield ok(ABOUT, "The settings give no GPU to students.")
        return
    rules, inventory = gpu_rules(settings), cdi_cache_at(settings.gpu.cdi_dirs).read()
    command = units.restart(
        "nvidia-container-toolkit-cdi-generator", "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    )
    findings = [wrong(ABOUT, f"{problem}.", command) for problem in class_gpu_problems(rules, inventory)]
    try:
        root = root or engine.machine_root(settings)
        findings += [wrong(ABOUT, message, command) for message in missing_device_files(inventory, root)]
        driver = [*check_driver(root), *check_mps(settings, root)]
    except PermissionError:
        driver = [only_root(DRIVER)]
    policies = ", ".join(dict.fromkeys(gpu.policy for gpu in rules.values()))
    yield from findings or [ok(ABOUT, f"{len(inventory.devices)} for the class, policy {policies}.")]
    yield from driver
    asks = [f"{where}.idle" for where, gpu in rules.items() if gpu.idle and gpu.policy != "none"]
    if asks and read_sample(settings.gpu.samples) is None:
        yield wrong(
            ABOUT,
            f"{settings.gpu.samples} is missing or old, so idle GPUs cannot be detected (set: {', '.join(asks)}).",
            units.restart("classroom-gpus", "classroom gpus sample"),
        )


def missing_device_files(inventory: Inventory, root: Path) -> Iterable[str]:
    """Return a message for each device without its files: the specification is old, or no driver is loaded."""
    for device in inventory.devices:
        missing = [
            node for node in device.identity.split() if node.startswith("/dev/") and not (root / node[1:]).exists()
        ]
        if missing:
            files = ", ".join(missing)
            yield f"{device.name}: {files} is missing. The driver is not loaded, or the CDI specification is old."


def check_driver(root: Path) -> Iterable[Finding]:
    """Check that NVIDIA's kernel module and the libraries in containers have one version; no finding without either.

    After an update without a reboot they are not, and every CUDA program ends with a "version mismatch".
    """
    module, libraries = loaded_version(root), installed_versions(root)
    if module is None and not libraries:
        return
    if module is None:
        versions = ", ".join(libraries)
        yield wrong(DRIVER, f"The kernel module is not loaded; the libraries are {versions}.", "modprobe nvidia")
    elif not libraries:
        yield warning(DRIVER, f"The kernel module is {module}; the path of its libraries is unknown.")
    elif module not in libraries:
        versions = ", ".join(libraries)
        yield wrong(DRIVER, f"The kernel module is {module} and the libraries are {versions}: CUDA refuses.", "reboot")
    else:
        yield ok(DRIVER, f"NVIDIA {module}, kernel module and libraries.")


def check_mps(settings: Settings, root: Path) -> Iterable[Finding]:
    """Check that the daemon of CUDA's Multi-Process Service runs, if the settings enable it."""
    mps = settings.gpu.mps
    if not mps.enable:
        return
    try:
        number = (root / str(mps.pipes / PID_FILE).lstrip("/")).read_text(encoding="ascii").strip()
    except (FileNotFoundError, ValueError):
        number = ""
    restart = units.restart("classroom-mps", "classroom gpus mps")
    if number and (root / "proc" / number).exists():
        if _reads(root / str(mps.folder / SETTINGS_FILE).lstrip("/")) not in {None, mps.model_dump_json()}:
            yield warning(
                MPS,
                "Its daemon runs with earlier settings. A restart ends all programs that use CUDA: choose a moment.",
                restart,
            )
            return
        yield ok(MPS, f"Its daemon runs; a program may take {format_bytes(mps.memory)}." if mps.memory else "It runs.")
    else:
        yield wrong(
            MPS,
            "Its daemon does not run: students who share a GPU take turns, and their memory has no limit.",
            restart,
        )


def _reads(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return None


def loaded_version(root: Path) -> str | None:
    """Return the version of the loaded kernel module."""
    for name, pattern in (
        ("sys/module/nvidia/version", r"(\S+)"),
        ("proc/driver/nvidia/version", r"\s(\d+\.\d[\d.]*)\s"),
    ):
        try:
            match = re.search(pattern, (root / name).read_text(encoding="ascii", errors="replace"))
        except OSError:
            continue
        if match:
            return match[1]
    return None


def installed_versions(root: Path) -> tuple[str, ...]:
    """Return the versions of libcuda on this machine."""
    names = (path.name for directory in _LIBRARIES for path in (root / directory).glob("libcuda.so.*.*"))
    return tuple(sorted({name.removeprefix("libcuda.so.") for name in names}))
