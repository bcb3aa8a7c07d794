"""Attacks by a program in a student's container, that no other suite tries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from behaviour import containers
from behaviour.servers import CodeError, Kernel, Server

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(180)

# Numbers of system calls (syscalls(2)) of x86-64 and of the generic table that aarch64 uses.
SYSTEM_CALLS = {
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "setns": (308, 268),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "syslog": (103, 116),
}
REFUSED = {1: "EPERM", 13: "EACCES", 38: "ENOSYS"}
CALL = (
    "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "def errno_of(numbers):\n"
    "    number = numbers[platform.machine() != 'x86_64']\n"
    "    return 0 if libc.syscall(number, 1, 0, 0, 0, 0, 0) != -1 else ctypes.get_errno()\n"
)
# Unix domain and internet sockets are left; socket(2) has the numbers.
FAMILIES = {"raw IPv4": (2, 3, 1), "packet": (17, 3, 768), "vsock": (40, 1, 0), "alg": (38, 5, 0), "xdp": (44, 3, 0)}
LISTEN = """
import socket, struct
ears = socket.socket(type=socket.SOCK_DGRAM)
ears.bind(("", 5002))
ears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + bytes(4))
ears.settimeout(3)
def heard():
    try: return ears.recv(99).decode()
    except TimeoutError: return ""
"""
SHOUT = """
import contextlib, socket
mouth = socket.socket(type=socket.SOCK_DGRAM)
mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for address in {addresses}:
    with contextlib.suppress(OSError): mouth.sendto(b"shout", (address, 5002))
"""
# An echo request without a raw socket (icmp(7), net.ipv4.ping_group_range).
PING = """
import socket
def ping(address):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as probe:
            probe.settimeout(2)
            probe.sendto(bytes((8, 0, 0, 0, 0, 0, 0, 1)), (address, 0))
            return bool(probe.recv(99))
    except OSError:
        return False
"""


@pytest.fixture(scope="module")
def kernel(mine: Server) -> Iterator[Kernel]:
    """Return a kernel that these tests share, because they leave nothing in it."""
    with mine.kernel() as made:
        yield made


@pytest.mark.attack(8)
def test_a_broadcast_or_multicast_reaches_no_other_student(
    mine: Server, kernel: Kernel, other: Server, server: Verb
) -> None:
    settings = containers.inspect(server, mine.name)["NetworkSettings"]["Networks"]
    gateway = next(iter(settings.values()))["Gateway"]
    own, theirs = containers.address(server, mine.name), containers.address(server, other.name)
    everybody = ["255.255.255.255", gateway.rpartition(".")[0].rpartition(".")[0] + ".15.255", "239.1.2.3", "224.0.0.1"]
    with other.kernel() as opened:
        for listener, address in ((kernel, own), (opened, theirs)):
            listener.run(LISTEN)
            listener.run(SHOUT.format(addresses=[address]))
            assert listener.run("print(heard())").strip() == "shout", "the test's own listener is deaf"
        kernel.run(SHOUT.format(addresses=everybody))
        assert opened.run("print(heard())").strip() == ""
        kernel.run(PING)
        if kernel.run(f"print(ping({own!r}))").strip() == "True":
            assert kernel.run(f"print(ping({theirs!r}))").strip() == "False"


@pytest.mark.attack(13)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_container_opens_no_socket_of_another_kind(family: str, kernel: Kernel) -> None:
    with pytest.raises(CodeError, match=r"PermissionError|OSError"):
        kernel.run(f"import socket; socket.socket(*{FAMILIES[family]})")


@pytest.mark.attack(15)
def test_a_container_uses_no_interface_of_the_kernel_for_administrators(kernel: Kernel) -> None:
    kernel.run(CALL)
    errors: dict[str, int] = kernel.ask(f"{{name: errno_of(numbers) for name, numbers in {SYSTEM_CALLS!r}.items()}}")
    assert {name: error for name, error in errors.items() if error not in REFUSED} == {}


@pytest.mark.attack(16)
@pytest.mark.parametrize(
    ("file", "mode"),
    [
        ("/proc/sysrq-trigger", "w"),
        ("/proc/sys/kernel/core_pattern", "w"),
        ("/proc/sys/vm/drop_caches", "w"),
        ("/sys/fs/cgroup/memory.max", "w"),
        ("/sys/fs/cgroup/cgroup.procs", "w"),
        ("/sys/kernel/uevent_helper", "w"),
        ("/proc/kcore", "rb"),
        ("/proc/keys", "rb"),
        ("/dev/mem", "rb"),
        ("/dev/kmsg", "rb"),
        ("/proc/1/root/etc/shadow", "rb"),
    ],
)
def test_a_container_neither_changes_the_machine_nor_reads_its_memory(file: str, mode: str, kernel: Kernel) -> None:
    # An engine may hide a file behind an empty one of its own.
    code = f"file = open({file!r}, {mode!r})\nassert file.read(9), 'empty'" if mode == "rb" else f"open({file!r}, 'w')"
    with pytest.raises(CodeError):
        kernel.run(code)


@pytest.mark.attack(16)
def test_a_container_learns_no_address_of_the_kernel(kernel: Kernel) -> None:
    addresses = kernel.run("!cut -d' ' -f1 /proc/kallsyms 2>/dev/null | sort -u | head -2").split()
    assert set(addresses) <= {"0000000000000000"}


@pytest.mark.attack(18)
def test_a_container_contains_no_token_of_another_server(kernel: Kernel, mine: Server, other: Server) -> None:
    with other.kernel() as opened:
        theirs = opened.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
    seen = kernel.run("!cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/net/unix 2>/dev/null | tr '\\0' '\\n'")
    assert mine.name in seen
    assert theirs not in seen
    assert other.name not in seen


@pytest.mark.attack(30)
def test_a_server_that_streams_without_end_is_read_as_fast_as_its_reader(mine: Server, kernel: Kernel) -> None:
    """A file of 300 MB, of which the browser reads the beginning: Nginx stores none of it."""
    kernel.run("open('large.bin', 'wb').truncate(300_000_000)")
    with mine.visitor.web.stream("GET", f"{mine.base}files/large.bin") as answer:
        assert answer.status_code == 200
        assert len(next(answer.iter_raw(65536))) > 0
        begin = time.monotonic()
        assert mine.get("api/status").status_code == 200
        assert time.monotonic() - begin < 5
    kernel.run("import os; os.remove('large.bin')")


@pytest.mark.attack(69, 71)
def test_a_program_gives_its_container_no_device_and_no_right(mine: Server, kernel: Kernel, server: Verb) -> None:
    before = containers.inspect(server, mine.name)["HostConfig"]
    kernel.run("import os; os.environ['CUDA_VISIBLE_DEVICES'] = os.environ['NVIDIA_VISIBLE_DEVICES'] = 'all'")
    assert kernel.run("!ls /dev | grep -i nvidia; true").strip() == ""
    after = containers.inspect(server, mine.name)["HostConfig"]
    assert json.dumps(before["DeviceRequests"]) == json.dumps(after["DeviceRequests"])
