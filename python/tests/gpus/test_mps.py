from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from classroom.errors import ClassroomError
from classroom.gpus import mps
from classroom.gpus.mps import client_environment, daemon_commands, daemon_environment
from classroom.settings.models import Gpu, Mps, Settings

GIB = 1024**3
ON = Mps(enable=True, memory=8 * GIB)


@pytest.mark.parametrize(
    ("policy", "enable", "served"),
    [
        ("shared", True, True),
        ("all", True, True),
        ("devices", True, True),
        ("exclusive", True, False),
        ("none", True, False),
        ("shared", False, False),
    ],
)
def test_only_students_who_share_a_gpu_are_clients(policy: str, *, enable: bool, served: bool) -> None:
    devices = ("0",) if policy == "devices" else ()
    assert Gpu.model_validate({"policy": policy, "devices": devices, "mps": {"enable": enable}}).uses_mps is served


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"policy": "exclusive", "mps": {"enable": True}}, "nobody shares a GPU"),
        ({"policy": "shared", "mps": {"memory": "8G"}}, "write enable = true"),
        ({"policy": "shared", "mps": {"enable": True, "memory": "1K"}}, "greater than or equal to 1048576"),
    ],
)
def test_a_problem_is_a_sentence(given: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"gpu": given})


def test_one_sharing_group_is_enough() -> None:
    shared = {"ml": {"gpu": {"policy": "shared"}}}
    Settings.model_validate({"gpu": {"policy": "exclusive", "mps": {"enable": True}}, "groups": shared})


def test_it_is_off_unless_asked_for() -> None:
    assert Settings().gpu.mps.enable is False


def test_every_gpu_is_limited_by_its_uuid_before_a_client_connects() -> None:
    assert daemon_commands(ON, ["GPU-a", "GPU-b"]) == (
        "set_default_device_pinned_mem_limit GPU-a 8192M\nset_default_device_pinned_mem_limit GPU-b 8192M\n"
    )
    assert daemon_commands(Mps(enable=True), ["GPU-a"]) == ""


def test_a_students_programs_know_the_pipes_and_the_limit() -> None:
    assert client_environment(ON, "/run/mps", 2) == {
        "CUDA_MPS_PIPE_DIRECTORY": "/run/mps",
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=8192M,1=8192M",
    }
    assert client_environment(ON, "/run/mps", 0) == {"CUDA_MPS_PIPE_DIRECTORY": "/run/mps"}
    assert client_environment(Mps(enable=True), "/run/mps", 1) == {"CUDA_MPS_PIPE_DIRECTORY": "/run/mps"}


def test_programs_do_not_find_the_daemon_by_default() -> None:
    assert daemon_environment(Mps())["CUDA_MPS_PIPE_DIRECTORY"] == "/run/classroom-mps/pipe"


def test_a_missing_nvidia_program_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ClassroomError, match="nvidia-cuda-mps-control is not on this machine"):
        mps.run_daemon(ON)


# Replaces NVIDIA's program, which needs a card: reads commands from a file instead of a pipe, and records them.
DAEMON = """#!/bin/sh
pipes=$CUDA_MPS_PIPE_DIRECTORY
if [ "$1" = -f ]; then
    [ -e "$pipes/left" ] && exit 9
    stat -c %a "$pipes" > "$pipes/mode"
    [ /dev/shm -ef "$pipes/../shm" ] && : > "$CUDA_MPS_LOG_DIRECTORY/shared"
    echo $$ > "$pipes/nvidia-cuda-mps-control.pid"
    while [ ! -e "$pipes/quit" ]; do sleep 0.05; done
    exit 0
fi
[ -e "$pipes/nvidia-cuda-mps-control.pid" ] || { echo "Cannot find MPS control daemon process"; exit 1; }
while read -r order; do
    case $order in *GPU-bad*) echo "Device not found"; exit 1;; quit) : > "$pipes/quit";; esac
    echo "$order" >> "$CUDA_MPS_LOG_DIRECTORY/orders"
done
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("it is root that mounts")
    program = tmp_path / "bin/nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(DAEMON)
    program.chmod(0o755)
    return tmp_path


def start(machine: Path, uuid: str) -> subprocess.Popen[str]:
    """Start the command on a machine whose driver names one GPU; its mounts disappear with it."""
    code = f"""
import logging
from pathlib import Path
from classroom.gpus import mps
from classroom.settings.models import Mps
logging.basicConfig(level=logging.INFO, format="%(message)s")
mps._gpus = lambda: [{uuid!r}]
mps.run_daemon(Mps(enable=True, memory={8 * GIB}, folder=Path({str(machine / "mps")!r})))
"""
    path = f"{machine / 'bin'}:{os.environ['PATH']}"
    command = ["unshare", "--mount", sys.executable, "-c", code]
    return subprocess.Popen(command, env=os.environ | {"PATH": path}, text=True, stderr=subprocess.PIPE)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_clients_may_connect_after_the_limit_is_set_and_the_daemon_gets_the_end(machine: Path) -> None:
    pipe = machine / "mps/pipe"
    pipe.mkdir(parents=True)
    (pipe / "left").touch()
    before = pipe.stat().st_ino
    process = start(machine, "GPU-a")
    assert "CUDA MPS serves 1 GPUs" in read_line(process)
    assert ((pipe / "mode").read_text().strip(), pipe.stat().st_mode & 0o1777) == ("700", 0o1777)
    assert (machine / "mps/log/shared").exists(), "servers and clients have one /dev/shm"
    assert pipe.stat().st_ino == before, "containers have it mounted"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    told = (machine / "mps/log/orders").read_text().splitlines()
    assert [line for line in told if line != "get_server_list"] == [
        "set_default_device_pinned_mem_limit GPU-a 8192M",
        "quit",
    ]


def test_a_refused_limit_lets_no_client_connect(machine: Path) -> None:
    process = start(machine, "GPU-bad")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "refused" in errors
    assert "Device not found" in errors
    assert (machine / "mps/pipe").stat().st_mode & 0o777 == 0o700


def test_the_end_of_the_daemon_is_reported(machine: Path) -> None:
    process = start(machine, "GPU-a")
    read_line(process)
    (machine / "mps/pipe/quit").touch()
    assert process.wait(20) == 1
    assert process.stderr is not None
    assert "nvidia-cuda-mps-control ended with 0" in process.stderr.read()
