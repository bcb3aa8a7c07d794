"""Limits of a student's server: a student who exceeds them loses only their own work, and the hub still answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from behaviour import containers
from behaviour.deployment import read_settings
from behaviour.servers import CodeError, Kernel, Server
from support.waiting import wait_until

Verb = Callable[..., str]

GB = 1024**3
MB = 1024**2

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def limits(server: Verb) -> dict[str, Any]:
    """Return the student limits of the settings, with defaults."""
    student: dict[str, Any] = read_settings(server).get("student", {})
    return {"cpus": 2, "memory": "4G", "sharedMemory": "1G", "tmp": "1G", "processes": 512} | student


def size(text: str) -> int:
    return int(text[:-1]) * {"M": MB, "G": GB}[text[-1]]


# Children wait for the end of a pipe, so they end when the parent closes it or dies.
FORK = """
import os
reading, writing = os.pipe()
children = []
try:
    while len(children) < 5000:
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        children.append(child)
    found = "no limit"
except OSError as error:
    found = error.strerror
finally:
    os.close(writing)
    for child in children:
        os.waitpid(child, 0)
print(found, len(children))
"""


@pytest.mark.attack(34)
def test_a_fork_bomb_ends_at_the_limit_and_the_server_still_answers(
    mine: Server, kernel: Kernel, limits: dict[str, Any]
) -> None:
    kernel.run(
        f"import subprocess, sys; done = subprocess.run([sys.executable, '-c', {FORK!r}], capture_output=True)", 120
    )
    answer, count = kernel.ask("done.stdout.decode()").rsplit(" ", 1)
    assert answer == "Resource temporarily unavailable"
    assert int(count) < limits["processes"]
    assert mine.get("api/status").status_code == 200
    assert kernel.run("1 + 1") == "2"


def test_a_server_full_of_processes_can_be_stopped_and_started(new_student: Callable[[], Server]) -> None:
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        kernel.run(f"import subprocess, sys; bomb = subprocess.Popen([sys.executable, '-c', {bomb!r}])")
        wait_until(
            lambda: kernel.ask("len(__import__('glob').glob('/proc/[0-9]*'))") > 100, "the fork bomb has run", 30
        )
    mine.stop()
    mine.start()
    with mine.kernel() as kernel:
        assert kernel.run("1 + 1") == "2"
    mine.stop()


def test_a_kernel_that_takes_all_memory_dies_and_the_server_lives(
    mine: Server, kernel: Kernel, limits: dict[str, Any], server: Verb
) -> None:
    before = containers.identifier(server, mine.name)
    with pytest.raises(CodeError, match="the kernel died"):
        kernel.run(f"x = b'1' * {size(limits['memory'])}", bound=120)
    assert mine.get("api/status").status_code == 200
    assert containers.identifier(server, mine.name) == before
    wait_until(
        lambda: mine.get(f"api/kernels/{kernel.id}").json()["execution_state"] == "idle", "a new kernel runs", 30
    )
    kernel.reconnect()
    assert kernel.run("1 + 1") == "2"


def test_swap_does_not_bypass_the_memory_limit(server: Verb, mine: Server) -> None:
    host = containers.inspect(server, mine.name)["HostConfig"]
    assert host["MemorySwap"] == host["Memory"] > 0


@pytest.mark.attack(35)
@pytest.mark.parametrize(("place", "key"), [("/dev/shm", "sharedMemory"), ("/tmp", "tmp")])
def test_directories_in_memory_have_limits(place: str, key: str, kernel: Kernel, limits: dict[str, Any]) -> None:
    wanted = size(limits[key])
    usage = kernel.ask(f"__import__('shutil').disk_usage({place!r}).total")
    assert usage == wanted
    kernel.run("import os")
    fill = f"""
try:
    with open('{place}/fill', 'wb', buffering=0) as file:
        for _ in range({wanted // MB + 8}):
            file.write(bytes({MB}))
finally:
    os.remove('{place}/fill')
"""
    with pytest.raises(CodeError, match="No space left on device"):
        kernel.run(fill, bound=120)
    assert kernel.run("1 + 1") == "2"


def test_a_student_gets_no_more_processor_time_than_the_limit(
    kernel: Kernel, server: Verb, mine: Server, limits: dict[str, Any]
) -> None:
    host = containers.inspect(server, mine.name)["HostConfig"]
    assert host["CpuQuota"] / host["CpuPeriod"] == limits["cpus"]
    # Control groups of version 2, or of version 1.
    files = "!cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"
    quota, period = map(int, kernel.run(files).split())
    assert quota / period == limits["cpus"]


def test_a_student_with_half_a_core_gets_half_a_core(
    reload: Callable[[dict[str, Any]], None], new_student: Callable[[], Server]
) -> None:
    reload({"student": {"cpus": 0.5}})
    mine = new_student()
    mine.start()
    with mine.kernel() as kernel:
        kernel.run(
            "import time\n"
            "def burn(seconds):\n"
            "    end, begin = time.monotonic() + seconds, time.process_time()\n"
            "    while time.monotonic() < end: pass\n"
            "    return (time.process_time() - begin) / seconds"
        )
        used = kernel.ask("burn(4)")
    assert used < 0.6
    mine.stop()


@pytest.mark.attack(36)
def test_the_log_of_a_server_has_a_size_limit(server: Verb, mine: Server) -> None:
    log = containers.inspect(server, mine.name)["HostConfig"]["LogConfig"]
    assert log["Type"] == "json-file"
    assert log["Config"] == {"max-size": "5m", "max-file": "2"}


@pytest.mark.attack(36)
def test_a_students_program_does_not_fill_the_disk_with_the_servers_log(
    server: Verb, mine: Server, kernel: Kernel
) -> None:
    kernel.run(
        "with open('/proc/1/fd/1', 'w') as out:\n    for _ in range(40_000): print('x' * 1000, file=out)",
        bound=120,
    )
    kept = server("docker", "logs", containers.identifier(server, mine.name))
    assert 0 < len(kept) < 11 * MB


def test_a_library_starts_as_many_threads_as_the_student_has_cores(
    mine: Server, kernel: Kernel, limits: dict[str, Any], server: Verb
) -> None:
    variables = dict(item.split("=", 1) for item in containers.inspect(server, mine.name)["Config"]["Env"])
    assert kernel.ask("__import__('os').environ['OMP_NUM_THREADS']") == str(round(limits["cpus"]))
    assert variables["MEM_LIMIT"] == str(size(limits["memory"]))
    assert variables["JUPYTER_IMAGE_SPEC"] == containers.inspect(server, mine.name)["Config"]["Image"]


def test_the_resource_monitor_shows_the_limit(mine: Server, limits: dict[str, Any]) -> None:
    answer = mine.get("api/metrics/v1")
    if answer.status_code == 404:
        pytest.skip("the image has no jupyter-resource-usage")
    assert answer.json()["limits"]["memory"]["rss"] == size(limits["memory"])
