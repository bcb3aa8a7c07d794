from __future__ import annotations

import json
from typing import Any

import pytest

from classroom.docker import seccomp
from classroom.docker.seccomp import other_numbers, seccomp_profile

FORBIDDEN = (seccomp.FS_IOC_FSSETXATTR, seccomp.FS_IOC_SETFLAGS, seccomp.FS_IOC32_SETFLAGS)


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for rule in json.loads(seccomp_profile())["syscalls"] if name in rule["names"]]


def is_allowed(name: str, *arguments: int) -> bool:
    """Return whether the kernel lets a call pass: one rule of which all comparisons match is enough."""

    def matches(comparison: dict[str, Any]) -> bool:
        given, value = arguments[comparison["index"]], comparison["value"]
        if comparison["op"] == "SCMP_CMP_MASKED_EQ":
            return given & value == comparison["valueTwo"]
        assert comparison["op"] == "SCMP_CMP_EQ"
        return given == value

    return any(
        rule["action"] == "SCMP_ACT_ALLOW" and all(map(matches, rule["args"]))
        for rule in rules(name)
        if "includes" not in rule
    )


@pytest.mark.parametrize("number", FORBIDDEN, ids=hex)
@pytest.mark.parametrize("high", [0, 1 << 32, 1 << 63, 0xFFFFFFFF << 32], ids=hex)
def test_an_ioctl_that_changes_the_quota_is_refused_with_any_higher_bits(number: int, high: int) -> None:
    assert not is_allowed("ioctl", 3, number | high)


@pytest.mark.parametrize("number", FORBIDDEN, ids=hex)
def test_an_ioctl_that_differs_in_one_bit_is_allowed(number: int) -> None:
    neighbours = {number ^ (1 << bit) for bit in range(32)} - set(FORBIDDEN)
    assert all(is_allowed("ioctl", 3, neighbour) for neighbour in neighbours)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(0x5401, id="terminal"),
        pytest.param(0x541B, id="bytes_to_read"),
        pytest.param(0x80086601, id="lsattr"),
        pytest.param(0x801C581F, id="project_of_a_file"),
        pytest.param(0xC020462A, id="nvidia"),
        pytest.param(0, id="zero"),
        pytest.param(0xFFFFFFFF, id="highest"),
    ],
)
def test_other_ioctls_are_allowed(number: int) -> None:
    assert is_allowed("ioctl", 3, number)
    assert is_allowed("ioctl", 3, number | 1 << 40)


def test_masks_match_all_numbers_but_those_that_are_left_out() -> None:
    small = {1, 2, 6, 255}
    pairs = list(other_numbers(small))
    matched = {number for number in range(256) if any(number & mask == value for mask, value in pairs)}
    assert matched == set(range(256)) - small


@pytest.mark.parametrize(
    "name",
    ["bpf", "clone3", "file_setattr", "io_uring_setup", "keyctl", "mount", "quotactl", "setns", "socketcall"],
)
def test_calls_that_the_engine_refuses_or_does_not_know_stay_refused(name: str) -> None:
    assert not is_allowed(name)


def test_processes_and_threads_but_no_namespaces_are_made() -> None:
    thread, user_namespace = 0x3D0F00, 0x10000000
    assert is_allowed("clone", thread)
    assert not is_allowed("clone", thread | user_namespace)
    (rule,) = rules("clone3")
    assert (rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ERRNO", 38), "libc falls back to clone"


@pytest.mark.parametrize("family", [seccomp.AF_ALG, seccomp.AF_VSOCK])
def test_sockets_of_the_kernel_are_refused_with_any_higher_bits(family: int) -> None:
    assert is_allowed("socket", 2)
    assert not is_allowed("socket", family)
    assert not is_allowed("socket", family | 1 << 32)


def test_filters_cover_32_bit_programs() -> None:
    found = {item["architecture"]: item["subArchitectures"] for item in json.loads(seccomp_profile())["archMap"]}
    assert found["SCMP_ARCH_X86_64"] == ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert found["SCMP_ARCH_AARCH64"] == ["SCMP_ARCH_ARM"]
