"""Program for root in the machine of `machine.py`: creates homes like the hub's helper, and fills them as a student."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from classroom.docker.seccomp import FS_IOC_FSSETXATTR, seccomp_profile
from classroom.storage import helper

MIB = 1024**2


def main() -> None:
    """Print one line of JSON for each file system."""
    for kind in ("ext4", "xfs"):
        print("FOUND", kind, json.dumps(_homes(Path("/srv") / kind)), flush=True)  # noqa: T201
    queues = {name: _queues_of_two(lifted=lifted) for name, lifted in (("bounded", False), ("lifted", True))}
    print("FOUND", "queues", json.dumps(queues), flush=True)  # noqa: T201
    answer = _call_helper(_settings(Path("/srv/plain"), "8M"), action="check")
    print("FOUND", "plain", json.dumps(answer), flush=True)  # noqa: T201


def _homes(store: Path) -> dict[str, Any]:
    store.chmod(0o711)
    settings = _settings(store, "8M", files=1000)
    results: dict[str, Any] = {"check": _call_helper(settings, action="check")}
    ada, ben = (store / f"classroom-home-{name}" for name in ("ada", "ben"))
    for home in (ada, ben):
        _call_helper(settings, action="make", home=home.name)
    sizes = os.statvfs(ada)
    results["df"] = sizes.f_blocks * sizes.f_frsize
    results["fits"] = _as_student(lambda: _fill(ada / "a", 6))
    results["too much"] = _as_student(lambda: _fill(ada / "b", 6))
    results["another's"] = _as_student(lambda: _fill(ben / "a", 6))
    results["use"] = _call_helper(settings, action="use", home=ada.name)
    results["deleting"] = _as_student((ada / "b").unlink)
    results["then fits"] = _as_student(lambda: _fill(ada / "c", 1))
    folder = ada / "folder"
    _as_student(folder.mkdir)
    results["leaving under seccomp"] = _as_student(lambda: (_install_profile(), _leave_project(folder)))
    results["leaving"] = _as_student(lambda: _leave_project(folder))
    results["too many"] = _as_student(lambda: [(ben / str(number)).touch() for number in range(2000)])
    more = _settings(store, "32M")
    _call_helper(more, action="make", home=ada.name)
    results["more"] = _as_student(lambda: _fill(ada / "d", 16))
    results["use then"] = _call_helper(more, action="use", home=ada.name)
    return results


def _settings(store: Path, quota: str, files: int | None = None) -> Path:
    file = Path("/tmp/settings.json")
    file.write_text(json.dumps({"storage": {"kind": "directory", "path": str(store), "quota": quota, "files": files}}))
    return file


def _call_helper(settings: Path, **request: str) -> dict[str, Any]:
    return helper.handle_request(json.dumps(request).encode(), settings)


def _as_student(work: Callable[[], object]) -> str:
    """Run `work` as a student and return the error; empty if there is none."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(100)
        os.setuid(1000)
        try:
            work()
        except OSError as error:
            os.write(write, (error.strerror or "?").encode())
        os._exit(0)
    os.close(write)
    os.wait()
    return os.read(read, 1000).decode()


def _leave_project(folder: Path) -> None:
    """Give a folder the project number 0, whose files no quota counts (ioctl_xfs_fsgetxattr(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    attributes = bytearray(28)  # struct fsxattr: the fourth number of 32 bits is the project
    fcntl.ioctl(descriptor, 0x801C581F, attributes)
    attributes[12:16] = bytes(4)
    fcntl.ioctl(descriptor, FS_IOC_FSSETXATTR, attributes)


def _queues_of_two(*, lifted: bool) -> list[int]:
    """Return how many message queues two students get who want 100 each, one after the other.

    Each has an IPC namespace and the limit of a container (mq_overview(7)).
    """
    reading, writing = os.pipe()
    held, release = os.pipe()
    children = []
    for _ in range(2):
        children.append(os.fork())
        if not children[-1]:
            os.close(release)
            library = ctypes.CDLL(None)
            library.unshare(0x08000000)  # CLONE_NEWIPC
            if lifted:
                resource.setrlimit(resource.RLIMIT_MSGQUEUE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            os.setgid(100)
            os.setuid(1000)
            flags = os.O_CREAT | os.O_RDWR
            made = [library.mq_open(f"/{number}".encode(), flags, 0o600, None) for number in range(100)]
            os.write(writing, bytes([100 - made.count(-1)]))
            os.read(held, 1)  # until the parent closes its end
            os._exit(0)
        children.append(os.read(reading, 1)[0])
    for descriptor in (reading, writing, held, release):
        os.close(descriptor)
    for child in children[::2]:
        os.waitpid(child, 0)
    return children[1::2]


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp (seccomp_rule_add(3))."""

    _fields_ = (("index", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def _install_profile() -> None:
    """Install the profile of students' containers, as the engine does with libseccomp."""
    operators = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(0x00050001))  # SCMP_ACT_ERRNO(EPERM)
    for rule in json.loads(seccomp_profile())["syscalls"]:
        found = [_Comparison(a["index"], operators[a["op"]], a["value"], a["valueTwo"]) for a in rule.get("args", ())]
        action = 0x7FFF0000 if rule["action"] == "SCMP_ACT_ALLOW" else 0x00050000 | rule["errnoRet"]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:
                comparisons = (_Comparison * len(found))(*found)
                assert not library.seccomp_rule_add_array(context, action, number, len(found), comparisons), name
    assert not library.seccomp_load(context)


def _fill(path: Path, mebibytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(b"x" * MIB)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
