"""CUDA's Multi-Process Service: `classroom gpus mps` runs its control daemon, with a limit on each program's memory.

The daemon is NVIDIA's (https://docs.nvidia.com/deploy/mps/). It starts a server as the client's user, which needs
root. Clients find it by the directory in `CUDA_MPS_PIPE_DIRECTORY`. It is never NVIDIA's default, where all programs
search, including those of students with an exclusive GPU. Clients and server share a tmpfs of their own as /dev/shm, as
in NVIDIA's device plugin for Kubernetes.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from classroom import process
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import FrameType

    from classroom.settings.models import Mps

PROGRAM = "nvidia-cuda-mps-control"
PID_FILE = "nvidia-cuda-mps-control.pid"
"""The daemon writes it into the directory of its pipes."""
SETTINGS_FILE = "settings.json"
"""What the daemon was started with, in the service's directory, for `classroom doctor`."""
_MIB = 1024**2
_TIMEOUT = 20  # seconds for an answer of the daemon, and for its end
_PAUSE = 0.2  # seconds

_log = logging.getLogger(__name__)


def daemon_environment(mps: Mps) -> dict[str, str]:
    """Return the environment of the daemon, and of its control commands."""
    return {"CUDA_MPS_PIPE_DIRECTORY": str(mps.pipes), "CUDA_MPS_LOG_DIRECTORY": str(mps.folder / "log")}


def client_environment(mps: Mps, where: str, devices: int) -> dict[str, str]:
    """Return the environment of a student's programs. A program's own limit can only be lower than the daemon's.

    Args:
        mps: the settings.
        where: the directory of the pipes in the container.
        devices: the number of GPUs of the container; 0 if unknown.
    """
    limits = ",".join(f"{number}={_megabytes(mps.memory)}" for number in range(devices) if mps.memory)
    return {"CUDA_MPS_PIPE_DIRECTORY": where} | ({"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": limits} if limits else {})


def daemon_commands(mps: Mps, uuids: Iterable[str]) -> str:
    """Return the control commands before the first client may connect, one a line; empty without a limit.

    Args:
        mps: the settings.
        uuids: of the GPUs. CUDA's numbers do not follow the driver's order.
    """
    if not mps.memory:
        return ""
    return "".join(f"set_default_device_pinned_mem_limit {uuid} {_megabytes(mps.memory)}\n" for uuid in uuids)


def run_daemon(mps: Mps) -> None:
    """Run the daemon until it ends or this process gets SIGTERM.

    Raises:
        ClassroomError: the program is missing, no driver answers, or the daemon refuses a command.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ClassroomError(
            f"{PROGRAM} is not on this machine: it comes with NVIDIA's driver (Debian: nvidia-cuda-mps, Ubuntu: "
            "nvidia-compute-utils)"
        )
    uuids = _gpus()
    _make_directories(mps)
    (mps.folder / SETTINGS_FILE).write_text(mps.model_dump_json(), encoding="utf-8")
    _mount(mps.shared_memory)
    signal.signal(signal.SIGTERM, _end)
    own = os.environ | daemon_environment(mps)
    daemon = subprocess.Popen(_command(program, mps.shared_memory), env=own)
    try:
        _wait_until_ready(program, own, daemon)
        _send(program, own, daemon_commands(mps, uuids))
        # Clients may connect from now on: a server that started earlier would have no limit.
        mps.pipes.chmod(0o1777)
        _log.info("CUDA MPS serves %d GPUs below %s", len(uuids), mps.folder)
        status = daemon.wait()
    finally:
        _stop(program, own, daemon)
    raise ClassroomError(f"{PROGRAM} ended with {status}; its log is {mps.folder / 'log' / 'control.log'}")


def _gpus() -> list[str]:
    from classroom.gpus.telemetry import nvml  # noqa: PLC0415 - the driver's library is for the command only, not for settings

    with nvml.driver() as driver:
        readings = driver.read()
    if any(":" in reading.index for reading in readings):
        raise ClassroomError(
            "a GPU of this machine is divided by MIG, which already separates students' memory: write enable = "
            "false in gpu.mps"
        )
    return [reading.uuid for reading in readings]


def _megabytes(size: int) -> str:
    return f"{size // _MIB}M"


def _make_directories(mps: Mps) -> None:
    try:
        modes = {mps.folder: 0o755, mps.pipes: 0o700, mps.folder / "log": 0o700, mps.shared_memory: 0o1777}
        for directory, mode in modes.items():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)
        # Files of an earlier daemon and its clients. The directories stay: running containers have them mounted.
        for left in mps.pipes.iterdir():
            left.unlink()
        for left in mps.shared_memory.iterdir():
            if left.is_symlink() or not left.is_dir():
                left.unlink()
            else:
                shutil.rmtree(left, ignore_errors=True)  # a student's, which root without capabilities cannot read
    except OSError as error:
        raise ClassroomError(f"{mps.folder}: cannot be created ({error.strerror}); run this as root") from error


def _mount(directory: Path) -> None:
    """Mount a tmpfs of its own, so that students cannot fill /run."""
    if directory.is_mount():
        return
    try:
        process.run(["mount", "-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "classroom-mps", directory])
    except ClassroomError as error:
        raise ClassroomError(f"{directory}: cannot be mounted ({error}); run this as root") from error


def _command(program: str, directory: Path) -> list[str]:
    """Return the command line of the daemon with the directory as its /dev/shm, in a mount namespace if necessary."""
    if directory.samefile("/dev/shm"):
        return [program, "-f"]
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$1" /dev/shm && exec "$2" -f',
        "sh",
        str(directory),
        program,
    ]


def _wait_until_ready(program: str, own: dict[str, str], daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _TIMEOUT
    while time.monotonic() < end and daemon.poll() is None:
        try:
            return _send(program, own, "get_server_list\n")
        except ClassroomError:
            time.sleep(_PAUSE)
    raise ClassroomError(f"{PROGRAM} does not answer: see its log, {own['CUDA_MPS_LOG_DIRECTORY']}/control.log")


def _send(program: str, own: dict[str, str], text: str) -> None:
    if not text:
        return
    done = process.run([program], environment=own, stdin=text, timeout=_TIMEOUT, check=False)
    output = (done.stdout + done.stderr).strip()
    if done.returncode:
        raise ClassroomError(f"{PROGRAM} refused {text.strip()!r}: {output or f'status {done.returncode}'}")
    if output:
        _log.info("%s answers %r with: %s", PROGRAM, text.strip(), output)


def _stop(program: str, own: dict[str, str], daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is not None:
        return
    try:
        _send(program, own, "quit\n")
        daemon.wait(_TIMEOUT)
    except (ClassroomError, subprocess.TimeoutExpired):
        daemon.kill()
        daemon.wait()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
