"""Isolation of a container: the privileges of a student's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from behaviour import containers
from behaviour.deployment import read_settings
from behaviour.servers import CodeError, Kernel, Server

Verb = Callable[..., str]

# Numbers of system calls differ between processors, so libc's functions are called.
CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    return "done" if getattr(libc, name)(*arguments) != -1 else os.strerror(ctypes.get_errno())
"""
NEWNS, NEWUSER, NEWNET = 0x00020000, 0x10000000, 0x40000000  # sched.h
DENIED = {"Operation not permitted", "Permission denied", "Function not implemented"}


@pytest.fixture(scope="module")
def kernel(mine: Server) -> Iterator[Kernel]:
    """Return a kernel that these tests share, because they leave nothing in it."""
    with mine.kernel() as made:
        yield made


@pytest.fixture
def status(kernel: Kernel) -> dict[str, str]:
    """Return /proc/self/status of a program in the kernel (proc_pid_status(5))."""
    lines = str(kernel.run("print(open('/proc/self/status').read())")).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.attack(15)
def test_a_student_is_jovyan_and_has_no_capability(status: dict[str, str]) -> None:
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["100"] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind


def test_a_student_gains_no_privilege_and_is_under_seccomp(status: dict[str, str]) -> None:
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


@pytest.mark.attack(13, 15, 17)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param("'setuid', 0", id="become_root"),
        pytest.param("'mount', b'none', b'/tmp', b'tmpfs', 0, None", id="mount"),
        pytest.param("'umount', b'/tmp'", id="unmount"),
        pytest.param("'chroot', b'/tmp'", id="change_the_root"),
        pytest.param(f"'unshare', {NEWNS}", id="make_a_mount_namespace"),
        pytest.param(f"'unshare', {NEWNET}", id="make_a_network_namespace"),
        pytest.param(f"'unshare', {NEWUSER}", id="make_a_user_namespace"),
        pytest.param("'mknod', b'/tmp/device', 0o60600, os.makedev(8, 0)", id="make_a_device"),
        pytest.param("'socket', 2, 3, 1", id="make_raw_packets"),
        pytest.param("'socket', 17, 3, 0x300", id="listen_to_packets"),
        pytest.param("'sethostname', b'evil', 4", id="change_the_hosts_name"),
        pytest.param("'setpriority', 0, 0, -10", id="take_precedence"),
        pytest.param("'reboot', 0x89abcdef", id="reboot"),
        pytest.param("'swapoff', b'/swap'", id="turn_swap_off"),
        pytest.param("'acct', b'/tmp/log'", id="keep_accounts"),
    ],
)
def test_a_student_cannot(call: str, kernel: Kernel) -> None:
    kernel.run(CALL)
    assert kernel.run(f"print(call({call}))").strip() in DENIED


@pytest.mark.attack(16)
@pytest.mark.parametrize(
    "place",
    [
        "/",
        "/etc",
        "/usr/bin",
        "/usr/local/bin",
        "/opt/classroom",
        "/opt/classroom/bin",
        "/var",
        "/root",
        "/run",
        "/sys",
        "/proc/sys/kernel",
    ],
)
def test_a_student_writes_nothing_into(place: str, kernel: Kernel) -> None:
    kernel.run("open('/tmp/probe', 'w').close(); open('/home/jovyan/probe', 'w').close()")
    with pytest.raises(CodeError, match=r"Read-only file system|Permission denied|No such file"):
        kernel.run(f"open('{place}/probe', 'w')")


@pytest.mark.needs("programs")
def test_a_program_with_the_setuid_bit_gains_nothing(kernel: Kernel) -> None:
    source = '#include <stdio.h>\n#include <unistd.h>\nint main(){printf("%d %d", geteuid(), setuid(0));}'
    kernel.run(
        f"import subprocess; subprocess.run(['gcc', '-xc', '-', '-o', 'who'], input={source!r}, text=True, check=True)"
    )
    assert kernel.run("!chmod 6755 who && ./who") == "1000 -1"
    found = kernel.run("!find / -xdev -perm /6000 -type f 2>/dev/null").split()
    for program in found:
        name = program.rsplit("/", 1)[-1]
        if name in {"su", "mount", "umount", "newgrp", "sudo"}:
            answer = kernel.run(f"!{program} root -c 'id -u' </dev/null 2>&1; true")
            assert "0" not in answer.split(), answer


def test_no_socket_of_the_server_is_in_the_container(kernel: Kernel) -> None:
    sockets = kernel.run("!find / -xdev -type s 2>/dev/null; find /run /var /home /tmp -type s 2>/dev/null").split()
    assert [path for path in sockets if not path.startswith("/tmp/jupyter/")] == []
    listening = kernel.run("print(open('/proc/net/unix').read())")
    assert "docker" not in listening
    assert "proxy" not in listening


@pytest.mark.attack(18)
def test_a_student_sees_only_their_own_processes(mine: Server, kernel: Kernel, server: Verb) -> None:
    seen = kernel.ask("[int(each) for each in __import__('os').listdir('/proc') if each.isdigit()]")
    own = server("docker", "top", containers.identifier(server, mine.name)).splitlines()[1:]
    assert len(seen) <= len(own) + 1
    assert kernel.run("print(open('/proc/1/cmdline').read())").startswith(("/sbin/docker-init", "/dev/init"))


@pytest.mark.attack(17, 71)
def test_no_device_of_the_machine_is_in_the_container(kernel: Kernel) -> None:
    devices = set(kernel.run("!find /dev -type b -o -type c").split())
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "console", "pts/0", "pts/ptmx", "ptmx"}
    assert {device.removeprefix("/dev/") for device in devices} <= harmless


def test_the_home_is_the_only_thing_of_the_machine_in_the_container(kernel: Kernel, server: Verb, mine: Server) -> None:
    found = containers.inspect(server, mine.name)
    assert [(mount["Type"], mount["Destination"]) for mount in found["Mounts"]] == [("volume", "/home/jovyan")]
    writable = kernel.run("!find / -xdev -writable -not -path '/proc/*' -not -type l 2>/dev/null").split()
    assert set(writable) == {"/tmp", "/home/jovyan"}


@pytest.mark.attack(18, 77)
def test_no_secret_of_the_hub_is_in_a_students_environment(kernel: Kernel, server: Verb) -> None:
    folder = read_settings(server)["paths"]["state"] + "/secrets"
    names = server("exec", "ls", folder).split()
    secrets = {name: server("exec", "cat", f"{folder}/{name}").strip() for name in names}
    assert "proxy-token" in secrets
    shown = kernel.run("!cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert "JUPYTERHUB_API_TOKEN=" in shown
    assert [name for name, secret in secrets.items() if secret and secret in shown] == []
    assert "CRYPT" not in shown
    assert "CONFIGPROXY" not in shown


def test_the_cookie_secret_of_a_server_is_not_in_the_home(kernel: Kernel) -> None:
    # It would outlive a password reset there (CVE-2026-40934 of jupyter-server).
    kept = kernel.run("!find /home/jovyan -name '*secret*' -o -name 'jpserver-*' -o -name 'kernel-*.json'")
    assert kept == ""


@pytest.mark.parametrize("module", ["classroom.spawner.docker", "classroom.accounts", "nativeauthenticator", "docker"])
def test_the_hubs_side_of_the_program_is_not_in_the_image(module: str, kernel: Kernel) -> None:
    with pytest.raises(CodeError, match="ModuleNotFoundError"):
        kernel.run(f"import {module}")


@pytest.mark.attack(37)
def test_a_program_that_crashes_gives_the_host_no_core_dump(kernel: Kernel) -> None:
    ended = kernel.run(
        "import os, resource, signal, sys\n"
        "command = [sys.executable, '-c', 'import os; os.abort()']\n"
        "child = os.posix_spawn(sys.executable, command, os.environ)\n"
        "status = os.waitpid(child, 0)[1]\n"
        "print(os.WTERMSIG(status) == signal.SIGABRT, os.WCOREDUMP(status), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert ended.strip() == "True False (0, 0)"
    with pytest.raises(CodeError, match=r"not allowed|exceed"):
        kernel.run("resource.setrlimit(resource.RLIMIT_CORE, (1, 1))")


@pytest.mark.attack(88)
def test_code_in_a_notebook_neither_reads_nor_changes_the_memory_of_the_server(kernel: Kernel) -> None:
    for mode in ("rb", "r+b"):
        with pytest.raises(CodeError, match="PermissionError"):
            kernel.run(f"import os; open(f'/proc/{{os.getppid()}}/mem', {mode!r})")
    with pytest.raises(CodeError, match="PermissionError"):
        kernel.run("open(f'/proc/{os.getppid()}/environ').read()")


@pytest.mark.attack(2, 63)
def test_files_of_the_home_neither_run_in_the_server_nor_get_its_origin(mine: Server, kernel: Kernel) -> None:
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    mine.put("api/contents/e.ipynb", json={"type": "notebook", "content": notebook})
    expected = mine.get("nbconvert/html/e.ipynb").text
    kernel.run(
        "import os, pathlib\n"
        "for name in ('lab/index.html.j2', 'lab/conf.json', '.local/share/jupyter/kernels/evil/kernel.json',\n"
        "             '.local/share/jupyter/kernels/evil/x.html'):\n"
        "    file = pathlib.Path.home() / name\n"
        "    file.parent.mkdir(parents=True, exist_ok=True)\n"
        "    file.write_text('{}' if name.endswith('json') else '<b>planted</b>')\n"
        "(pathlib.Path.home() / '.local/share/jupyter/kernels/evil/kernel.json').write_text('{\"argv\": []}')"
    )
    assert mine.get("nbconvert/html/e.ipynb").text == expected
    answer = mine.get("kernelspecs/evil/x.html")
    assert "planted" in answer.text
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    kernel.run("!rm -r ~/lab ~/.local/share/jupyter/kernels/evil ~/e.ipynb")


def test_the_container_has_the_limits_of_the_settings(server: Verb, mine: Server) -> None:
    found = containers.inspect(server, mine.name)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert "no-new-privileges" in [option.partition(":")[0] for option in host["SecurityOpt"]]
    assert host["Privileged"] is False
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"]) == ("", "private", "")
    assert host["Init"] is True
    assert host["PortBindings"] in (None, {})
    assert found["Config"]["Labels"]["org.classroom.user"] == mine.name
