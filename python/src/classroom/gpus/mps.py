"""CUDA's Multi-Process Service: `classroom gpus mps` runs its control daemon, with a bound on each program's memory.

The daemon is NVIDIA's (https://docs.nvidia.com/deploy/mps/). It starts a server as the user of whoever connects, which
takes root. Clients find it by the folder that `CUDA_MPS_PIPE_DIRECTORY` names: never the one that is NVIDIA's default,
where programs look unasked, those of students who have a GPU to themselves too. Clients and server share /dev/shm, as
in NVIDIA's device plugin for Kubernetes: a tmpfs for them alone, not the machine's.
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

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import FrameType

    from classroom.settings.models import Mps

PROGRAM = "nvidia-cuda-mps-control"
PID_FILE = "nvidia-cuda-mps-control.pid"
"""Which the daemon writes beside its pipes."""
_MIB = 1024**2
_BOUND = 20  # seconds that the daemon has to answer, and to end
_PAUSE = 0.2  # seconds

_log = logging.getLogger(__name__)


def environment(mps: Mps) -> dict[str, str]:
    """The daemon's own, and that of whoever gives it orders."""
    return {"CUDA_MPS_PIPE_DIRECTORY": str(mps.pipes), "CUDA_MPS_LOG_DIRECTORY": str(mps.folder / "log")}


def client_environment(mps: Mps, where: str, devices: int) -> dict[str, str]:
    """A program's of a student. A bound of its own can only be lower than the daemon's.

    Args:
        mps: the settings.
        where: the pipes' folder, as the program sees it.
        devices: how many GPUs it sees; 0 where that is not known.
    """
    bounds = ",".join(f"{number}={_megabytes(mps.memory)}" for number in range(devices) if mps.memory)
    return {"CUDA_MPS_PIPE_DIRECTORY": where} | ({"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": bounds} if bounds else {})


def orders(mps: Mps, uuids: Iterable[str]) -> str:
    """What the daemon is told before anybody may connect, a line each; empty without a bound.

    Args:
        mps: the settings.
        uuids: of the GPUs. Their numbers are CUDA's own, which are not in the order of the driver.
    """
    if not mps.memory:
        return ""
    return "".join(f"set_default_device_pinned_mem_limit {uuid} {_megabytes(mps.memory)}\n" for uuid in uuids)


def run(mps: Mps) -> None:
    """Run the daemon until it ends or this process is told to end.

    Raises:
        ClassroomError: the program is missing, no driver answers, or the daemon does not take its orders.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ClassroomError(
            f"{PROGRAM} is not on this machine: it comes with NVIDIA's driver (Debian: nvidia-cuda-mps, Ubuntu: "
            "nvidia-compute-utils)"
        )
    uuids = _gpus()
    _make_folders(mps)
    _mount(mps.shared_memory)
    signal.signal(signal.SIGTERM, _end)
    own = os.environ | environment(mps)
    daemon = subprocess.Popen(_command(program, mps.shared_memory), env=own)
    try:
        _await(program, own, daemon)
        _tell(program, own, orders(mps, uuids))
        # Now its clients may come: a server that was started before would know of no bound.
        mps.pipes.chmod(0o1777)
        _log.info("CUDA MPS serves %d GPUs below %s", len(uuids), mps.folder)
        status = daemon.wait()
    finally:
        _stop(program, own, daemon)
    raise ClassroomError(f"{PROGRAM} ended with {status}; its log is {mps.folder / 'log' / 'control.log'}")


def _gpus() -> list[str]:
    from classroom.gpus.telemetry import nvml  # noqa: PLC0415 - the driver's library is for the command only, not for settings

    with nvml.driver() as driver:
        found = driver.read()
    if any(":" in reading.index for reading in found):
        raise ClassroomError(
            "a GPU of this machine is divided by MIG, which keeps students' memory apart by itself: write enable = "
            "false in gpu.mps"
        )
    return [reading.uuid for reading in found]


def _megabytes(size: int) -> str:
    return f"{size // _MIB}M"


def _make_folders(mps: Mps) -> None:
    try:
        modes = {mps.folder: 0o755, mps.pipes: 0o700, mps.folder / "log": 0o700, mps.shared_memory: 0o1777}
        for folder, mode in modes.items():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        # What an earlier daemon and its clients left behind. The folders stay: containers that run have them mounted.
        for left in mps.pipes.iterdir():
            left.unlink()
        for left in mps.shared_memory.iterdir():
            if left.is_symlink() or not left.is_dir():
                left.unlink()
            else:
                shutil.rmtree(left, ignore_errors=True)  # a student's, which root of few powers may not look into
    except OSError as error:
        raise ClassroomError(f"{mps.folder}: cannot be made ({error.strerror}); run this as root") from error


def _mount(folder: Path) -> None:
    """Have students fill a memory of its own, and not that of /run."""
    if folder.is_mount():
        return
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "classroom-mps", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ClassroomError(f"{folder}: cannot be mounted ({done.stderr.strip()}); run this as root")


def _command(program: str, folder: Path) -> list[str]:
    """The daemon, with the folder as its /dev/shm: in a mount namespace of its own unless the unit has seen to it."""
    if folder.samefile("/dev/shm"):
        return [program, "-f"]
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /dev/shm && exec "$2" -f', "sh", str(folder), program]


def _await(program: str, own: dict[str, str], daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _BOUND
    while time.monotonic() < end and daemon.poll() is None:
        try:
            return _tell(program, own, "get_server_list\n")
        except ClassroomError:
            time.sleep(_PAUSE)
    raise ClassroomError(f"{PROGRAM} does not answer: see its log, {own['CUDA_MPS_LOG_DIRECTORY']}/control.log")


def _tell(program: str, own: dict[str, str], text: str) -> None:
    if not text:
        return
    try:
        done = subprocess.run(
            [program], env=own, input=text, text=True, capture_output=True, timeout=_BOUND, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClassroomError(f"{PROGRAM} does not answer") from error
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        raise ClassroomError(f"{PROGRAM} did not take {text.strip()!r}: {said or f'status {done.returncode}'}")
    if said:
        _log.info("%s says to %r: %s", PROGRAM, text.strip(), said)


def _stop(program: str, own: dict[str, str], daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is not None:
        return
    try:
        _tell(program, own, "quit\n")
        daemon.wait(_BOUND)
    except (ClassroomError, subprocess.TimeoutExpired):
        daemon.kill()
        daemon.wait()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
