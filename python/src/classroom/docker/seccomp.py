"""Seccomp profile of students' containers: the engine's default, without the calls by which a file leaves its quota.

A filter of the container's own programs would not do: a student may trace them. The engine gives the filter to each
process of the container.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from classroom.docker.syscalls import ALLOWED, BY_ARCHITECTURE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FS_IOC_FSSETXATTR = 0x401C5820
"""Sets the project of a file, which its quota counts. XFS has the same number (linux/fs.h)."""
FS_IOC_SETFLAGS = 0x40086602
"""Sets the flags of chattr(1). Without the flag P, new files of a directory on ext4 are in no project."""
FS_IOC32_SETFLAGS = 0x40046602
"""The same of 32-bit programs."""
_IOCTLS = (FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS)

AF_ALG, AF_VSOCK = 38, 40
"""Sockets of the kernel's cryptography and of hypervisors, which the engine's profile refuses, too."""

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # 64 and 32 bits, as Linux 2.6, and the question (setarch(8))
_NEW_NAMESPACES = 0x7E020000  # all CLONE_NEW flags of clone(2)
_ENOSYS = 38  # libc then calls clone, whose flags a filter can see


@functools.cache
def seccomp_profile() -> str:
    """Return the profile as JSON, in the form of the engine's own (https://docs.docker.com/engine/security/seccomp/).

    The engine ignores names of system calls that it does not know. The kernel refuses all others, such as
    `file_setattr`, which is new in Linux 6.17 and sets the project of a file, too.
    """
    rules = [
        _allow(ALLOWED),
        *(_allow(names, includes={"arches": [name]}) for name, names in BY_ARCHITECTURE.items()),
        *(_allow(["personality"], _argument(0, "SCMP_CMP_EQ", value)) for value in _PERSONALITIES),
        _allow(["clone"], _argument(0, "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0)),
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        *_all_but("socket", 0, (AF_ALG, AF_VSOCK)),
        *_all_but("ioctl", 1, _IOCTLS),
    ]
    architectures = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ]
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "archMap": architectures, "syscalls": rules}
    return json.dumps(profile, separators=(",", ":"))


def other_numbers(numbers: Collection[int], bit: int = 31) -> Iterator[tuple[int, int]]:
    """Yield masks and values that together match each number of 32 bits that is not one of `numbers`.

    A filter compares 64 bits, and the kernel takes the lower 32 of some arguments. So "not equal" lets a forbidden
    number pass that has a bit above them. A mask leaves these bits out.

    Args:
        numbers: those that do not match; none: all match.
        bit: the highest bit that is compared; those above it are the same in all `numbers`.
    """
    if bit < 0:
        return
    lowest, mask = 1 << bit, (1 << 32) - (1 << bit)
    for digit in (0, lowest):
        rest = [number for number in numbers if number & lowest == digit]
        if rest:
            yield from other_numbers(rest, bit - 1)
        else:
            yield mask, (next(iter(numbers)) & mask & ~lowest) | digit


def _all_but(name: str, index: int, numbers: Collection[int]) -> list[dict[str, Any]]:
    """Return rules that allow a system call unless its argument is one of `numbers`; one that matches is enough."""
    return [_allow([name], _argument(index, "SCMP_CMP_MASKED_EQ", *pair)) for pair in other_numbers(numbers)]


def _allow(names: list[str], argument: dict[str, Any] | None = None, **condition: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": [argument] if argument else [], **condition}


def _argument(index: int, operator: str, value: int, second: int = 0) -> dict[str, Any]:
    """Return a comparison (seccomp_rule_add(3)): for a mask, `value` is the mask and `second` what remains."""
    return {"index": index, "op": operator, "value": value, "valueTwo": second}
