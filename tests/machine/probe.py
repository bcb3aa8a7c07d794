"""What a process can do: prints the names of the actions that succeed, as a JSON list, and changes nothing.

It needs no package, so the Python of a machine runs it in the place of a unit's program (test_sandbox.py). The
directories, files and devices named "tried" are made by the test, with rights for every user: what is refused then is
refused by the unit.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
# Numbers of x86-64 and of the kernel's headers.
_PTRACE_TRACEME = 0
_SYS = {"settimeofday": 164, "syslog": 103, "personality": 135, "sethostname": 170}
_CLONE_NEWUSER = 0x10000000
_ADDR_NO_RANDOMIZE = 0x0040000
SHARED_MEMORY = 7 * 4096
"""Bytes of the memory that `leave_memory` leaves."""
_IPC_PRIVATE, _IPC_CREATE = 0, 0o1000


def write(directory: str) -> None:
    """Create a file in a directory, and remove it."""
    path = Path(directory) / f"written-{os.getpid()}"
    path.touch()
    path.unlink()


def read(path: str) -> None:
    """Read the beginning of a file."""
    with Path(path).open("rb") as file:
        file.read(1)


def open_for_writing(path: str) -> None:
    """Open a file for writing, without writing."""
    os.close(os.open(path, os.O_WRONLY))


def connect(address: str) -> None:
    """Connect to a Unix socket, or to the port of an IPv4 address."""
    family = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        host, _, port = address.partition(":")
        client.connect(address if family == socket.AF_UNIX else (host, int(port)))


def call(name: str, *arguments: object) -> None:
    """Call the kernel by a name of `_SYS`, or a function of libc.

    Raises:
        OSError: the kernel refused.
    """
    number = _SYS.get(name)
    returned = _LIBC.syscall(number, *arguments) if number else getattr(_LIBC, name)(*arguments)
    if returned < 0:
        raise OSError(ctypes.get_errno(), name)


def make_control_group() -> None:
    """Create a control group below one that every user may use, and remove it."""
    (parent,) = Path("/sys/fs/cgroup").glob("**/tried")
    group = parent / f"made-{os.getpid()}"
    group.mkdir()
    group.rmdir()


def set_suid() -> None:
    """Give a file the bit with which others would run it as this user."""
    file = Path("/tmp") / f"suid-{os.getpid()}"
    file.touch()
    try:
        file.chmod(0o4755)
    finally:
        file.unlink()


def gain_another_user() -> None:
    """Run a program with the bit of another user."""
    user = subprocess.check_output(["/usr/local/tried-suid", "-p", "-c", "id -u"], text=True).strip()
    if int(user) == os.getuid():
        raise PermissionError


def run_32_bit() -> None:
    """Call the kernel as a program for 32-bit processors: getpid."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() != os.getpid():
        raise PermissionError


def map_writable_code() -> None:
    """Map memory that can be written and run."""
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def own_capability() -> None:
    """Have a capability, or be able to gain one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    if all(int(line.split()[1], 16) == 0 for line in status.splitlines() if line.startswith("Cap")):
        raise PermissionError


def see_process(pid: str) -> None:
    """Read the command line of another process."""
    if not Path(f"/proc/{pid}/cmdline").read_bytes():
        raise PermissionError


def see_user(path: str) -> None:
    """See which user of the machine owns a file."""
    if Path(path).stat().st_uid == 65534:
        raise PermissionError


def make_group_readable() -> None:
    """Create a file that others than its owner can read, by the default mode."""
    file = Path("/tmp") / f"mode-{os.getpid()}"
    file.touch()
    mode = file.stat().st_mode
    file.unlink()
    if not mode & 0o077:
        raise PermissionError


def take_ownership() -> None:
    """Set the owner of an own file to the one it has, for which no right is needed."""
    descriptor = os.memfd_create("tried")
    os.fchown(descriptor, os.getuid(), -1)


def leave_memory() -> None:
    """Create shared memory that outlives the process; the test looks for it."""
    call("shmget", _IPC_PRIVATE, SHARED_MEMORY, _IPC_CREATE | 0o600)


def socket_of(family: int, kind: int = socket.SOCK_RAW) -> None:
    """Create a socket of a family."""
    socket.socket(family, kind).close()


KERNEL: dict[str, Callable[[], object]] = {
    "have capabilities": own_capability,
    "become another user by a program's bit": gain_another_user,
    "set a program's bit": set_suid,
    "set the clock": lambda: call("settimeofday", None, None),
    "set the host name": lambda: call("sethostname", os.uname().nodename.encode(), len(os.uname().nodename)),
    "read the kernel's log": lambda: call("syslog", 10, None, 0),
    "write the kernel's parameters": lambda: open_for_writing("/proc/sys/net/ipv4/ip_forward"),
    "make control groups": make_control_group,
    "change its personality": lambda: call("personality", _ADDR_NO_RANDOMIZE),
    "map writable code": map_writable_code,
    "run as 32 bits": run_32_bit,
    "choose its processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "set owners": take_ownership,
    "be traced": lambda: call("ptrace", _PTRACE_TRACEME, 0, 0, 0),
    "make a namespace": lambda: call("unshare", _CLONE_NEWUSER),
    "talk to the kernel by netlink": lambda: socket_of(socket.AF_NETLINK),
    "open an IPv4 socket": lambda: socket_of(socket.AF_INET, socket.SOCK_DGRAM),
    "read the memory's size": lambda: read("/proc/meminfo"),
    "see users": lambda: see_user("/srv/tried/of-nobody-else"),
    "let others read its files": make_group_readable,
    "leave shared memory": leave_memory,
    "use a device": lambda: read("/dev/tried"),
}


def _succeeds(action: Callable[[], object]) -> bool:
    """Return whether an action succeeds, tried in a process of its own: it may end it, or leave it with less."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            action()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> None:
    """Try the actions of the kernel, and those of the command line: VERB=WHAT."""
    verbs = {"write": write, "read": read, "reach": connect, "see": see_process}
    actions = dict(KERNEL)
    for word in sys.argv[1:]:
        verb, _, what = word.partition("=")
        actions[f"{verb} {what}"] = functools.partial(verbs[verb], what)
    sys.stdout.write(json.dumps([name for name, action in actions.items() if _succeeds(action)]))


if __name__ == "__main__":
    main()
