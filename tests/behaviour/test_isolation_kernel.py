"""Isolation of the kernel's own resources: a home's quota, and what the kernel counts by user for all students."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from behaviour.servers import Kernel, Server

# Numbers of ioctls for x86-64 and ARM (linux/fs.h). libc's ioctl takes 64 bits of the number, as the system call does.
IOCTLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
GETFLAGS, SETFLAGS, SETFLAGS32 = 0x80086601, 0x40086602, 0x40046602
FSGETXATTR, FSSETXATTR = 0x801C581F, 0x401C5820
def ioctl(path, *numbers):
    "Call ioctls with the same memory, and return the result of the last."
    file, memory = os.open(path, os.O_RDONLY), ctypes.create_string_buffer(64)
    for number in numbers:
        done = libc.ioctl(file, ctypes.c_ulong(number), memory)
    os.close(file)
    return "done" if done != -1 else os.strerror(ctypes.get_errno())
"""
# The system call of a 32-bit program, from a program of 64 bits: ioctl has number 54 there.
COMPATIBLE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
int main(void) {
    void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    int file = open("/home/jovyan", O_RDONLY), numbers[] = {0x801c581f, 0x401c5820, 0x40046602}, done;
    for (int i = 0; i < 3; i++) {
        __asm__ volatile("int $0x80" : "=a"(done) : "a"(54), "b"(file), "c"(numbers[i]), "d"(memory) : "memory");
        printf("%d ", done);
    }
}
"""
REFUSED = "Operation not permitted"


@pytest.fixture(scope="module")
def kernel(mine: Server) -> Iterator[Kernel]:
    """Return a kernel that these tests share."""
    with mine.kernel() as made:
        made.run(IOCTLS)
        yield made


@pytest.mark.attack(3, 4)
@pytest.mark.parametrize("high", [0, 1 << 32, 1 << 63], ids=["number", "bit_32", "bit_63"])
def test_a_student_takes_no_file_out_of_the_quota_of_the_home(kernel: Kernel, high: int) -> None:
    assert kernel.ask("[ioctl('/home/jovyan', GETFLAGS), ioctl('/home/jovyan', FSGETXATTR)]") == ["done", "done"]
    assert kernel.ask(f"ioctl('/home/jovyan', FSGETXATTR, FSSETXATTR | {high})") == REFUSED
    assert kernel.ask(f"ioctl('/home/jovyan', GETFLAGS, SETFLAGS | {high})") == REFUSED
    assert kernel.ask(f"ioctl('/home/jovyan', GETFLAGS, SETFLAGS32 | {high})") == REFUSED


@pytest.mark.attack(3)
def test_the_system_call_that_sets_a_files_project_is_refused(kernel: Kernel) -> None:
    # file_setattr, the same number for all processors; a kernel before Linux 6.17 does not have it.
    answer = kernel.ask("[libc.syscall(469, -100, b'/home/jovyan', bytes(24), 24, 0), os.strerror(ctypes.get_errno())]")
    assert answer in ([-1, REFUSED], [-1, "Function not implemented"])


@pytest.mark.attack(3)
@pytest.mark.needs("programs")
def test_a_32_bit_program_takes_no_file_out_of_the_quota(kernel: Kernel) -> None:
    if kernel.ask("os.uname().machine") != "x86_64":
        pytest.skip("the 32-bit system calls of x86 alone are called here")
    build = "subprocess.run(['gcc', '-xc', '-', '-o', '/tmp/compatible'], input={!r}, text=True, check=True)"
    kernel.run("import subprocess; " + build.format(COMPATIBLE))
    kernel.run("done = subprocess.run('/tmp/compatible', capture_output=True, text=True)")
    code, output = kernel.ask("[done.returncode, done.stdout]")
    assert (code, output) == (0, "0 -1 -1 ") or code < 0, "a kernel without 32-bit programs ends the program"


def test_every_process_of_a_container_has_the_filter(kernel: Kernel) -> None:
    # A process without it could be traced, and would then do what is forbidden here.
    filters = kernel.run("!grep -h ^Seccomp: /proc/[0-9]*/status").split()
    assert set(filters) == {"Seccomp:", "2"}


def test_a_student_traces_own_programs_and_uses_a_terminal(kernel: Kernel) -> None:
    kernel.run(
        "import signal\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    libc.ptrace(0, 0, None, None); os.kill(os.getpid(), signal.SIGSTOP); os._exit(7)\n"
    )
    stopped = "os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])"
    continued = "(libc.ptrace(7, child, None, None), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))[1]"
    assert kernel.ask(stopped) is True
    assert kernel.ask(continued) == 7
    assert kernel.ask("os.get_terminal_size(os.openpty()[0])[:]") == [0, 0]
    assert kernel.ask("[__import__('socket').socket(family, 2).family for family in (1, 2, 10, 16)]") == [1, 2, 10, 16]


@pytest.mark.parametrize("family", ["38", "40", "38 | 1 << 32", "40 | 1 << 32"])
def test_a_student_opens_no_socket_of_the_kernels_cryptography_or_of_hypervisors(kernel: Kernel, family: str) -> None:
    answer = kernel.ask(f"[libc.socket(ctypes.c_ulong({family}), 1, 0), os.strerror(ctypes.get_errno())]")
    assert answer == [-1, REFUSED]
