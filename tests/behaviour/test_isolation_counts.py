"""Isolation of what the kernel counts by user or for the whole machine: one student does not use it up for all."""

from __future__ import annotations

import fcntl
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from behaviour import containers
from behaviour.servers import Kernel, Server

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(180)

LIBC = """
import ctypes, fcntl, os, resource, select
libc = ctypes.CDLL(None, use_errno=True)
limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
def queue(number):
    "Open a message queue of the default size (mq_overview(7)) and return whether it worked."
    held.append(libc.mq_open(b"/q%d" % number, os.O_CREAT | os.O_RDWR, 0o600, None))
    return held[-1] != -1
def requests(number):
    "Make room for asynchronous requests (io_setup(2)) and return whether it worked."
    place = {"x86_64": 206, "aarch64": 0}[os.uname().machine]
    return libc.syscall(place, number, ctypes.byref(ctypes.c_ulong())) == 0
def watches(number):
    "Watch pipes with epoll and return how many watches there are."
    readers = [os.dup(reader) for reader in [os.pipe()[0]] for _ in range(1000)]
    done = 0
    try:
        while done < number:
            held.append(select.epoll())
            for reader in readers:
                held[-1].register(reader, select.EPOLLIN)
                done += 1
    except OSError:
        pass
    held.extend(readers)
    return done
"""


@pytest.fixture(scope="module", autouse=True)
def lifted(server: Verb) -> Iterator[None]:
    """Set the limits of the machine that `classroom doctor` names, and restore them at the end."""
    with (Path(tempfile.gettempdir()) / "classroom-tests-sysctl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another class on this machine would restore them too early
        remedy = _remedy(server)
        before = {name: server("exec", "cat", _file(name)).strip() for name in remedy}
        for name, value in remedy.items():
            written = server("exec", "sh", "-c", f"echo {value} > {_file(name)} && echo done || true")
            if not written:
                pytest.skip(f"this machine does not let tests set {name}")
        yield
        for name, value in before.items():
            server("exec", "sh", "-c", f"echo {value} > {_file(name)}")


def _remedy(server: Verb) -> dict[str, str]:
    report = server("exec", "sh", "-c", f"classroom doctor --json --settings {server('settings').strip()} || true")
    texts = [row["mend"] or "" for row in json.loads(report)["findings"] if row["about"] == "kernel's limits"]
    return dict(re.findall(r"'([\w.-]+) = (\d+)'", " ".join(texts)))


def _file(name: str) -> str:
    return f"/proc/sys/{name.replace('.', '/')}"


@pytest.fixture
def two(mine: Server, new_student: Callable[[], Server]) -> Iterator[tuple[Kernel, Kernel]]:
    """Return kernels of two students; what they hold ends with the test."""
    other = new_student()
    other.start()
    with mine.kernel() as first, other.kernel() as second:
        for kernel in (first, second):
            kernel.run(LIBC)
        yield first, second
        first.end()
    other.stop()


@pytest.mark.attack(5)
def test_inotify_instances_of_one_student_leave_those_of_others(two: tuple[Kernel, Kernel]) -> None:
    first, second = two
    assert first.ask("[libc.inotify_init() for _ in range(1000)].count(-1)") == 0
    assert second.ask("libc.inotify_init()") > 0


@pytest.mark.attack(7)
def test_pipes_of_one_student_leave_those_of_others_their_size(two: tuple[Kernel, Kernel]) -> None:
    first, second = two
    assert first.ask("held.extend(os.pipe() for _ in range(1200)) or len(held)") == 1200
    assert second.ask("fcntl.fcntl(os.pipe()[0], fcntl.F_GETPIPE_SZ)") == 65536


@pytest.mark.attack(6)
def test_message_queues_of_one_student_leave_those_of_others(
    two: tuple[Kernel, Kernel], server: Verb, mine: Server
) -> None:
    limits = containers.inspect(server, mine.name)["HostConfig"]["Ulimits"]
    if "msgqueue" not in {limit["Name"] for limit in limits}:
        pytest.skip("this engine may not raise limits: it lacks CAP_SYS_RESOURCE")
    first, second = two
    assert first.ask("[queue(number) for number in range(100)].count(True)") == 100
    assert second.ask("queue(0)") is True


@pytest.mark.attack(95)
def test_asynchronous_requests_of_one_student_leave_those_of_others(two: tuple[Kernel, Kernel]) -> None:
    first, second = two
    assert first.ask("[requests(4096) for _ in range(40)].count(True)") == 40
    assert second.ask("requests(4096)") is True


def test_watches_of_one_student_leave_those_of_others(two: tuple[Kernel, Kernel]) -> None:
    first, second = two
    assert first.ask("watches(1_000_000)", bound=120) >= 1_000_000
    assert second.ask("watches(1000)") >= 1000
