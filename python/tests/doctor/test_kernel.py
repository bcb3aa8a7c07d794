from __future__ import annotations

import re
from pathlib import Path

import pytest

from classroom.doctor.checks import State
from classroom.doctor.kernel import SYSCTLS, inspect_sysctls

ROOT = Path(__file__).parents[3]
# Limits that systemd (src/core/main.c) and NixOS (modules/system/boot/systemd.nix) raise.
OF_SYSTEMD = {"fs.file-max", "kernel.pid_max"}


def test_limits_that_are_high_enough_are_well() -> None:
    assert list(inspect_sysctls(SYSCTLS)) == []
    assert list(inspect_sysctls(SYSCTLS | {"fs.file-max": 2**63 - 1})) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("fs.inotify.max_user_instances", 128, "fs.inotify.max_user_instances = 2147483647"),
        ("fs.pipe-user-pages-soft", 16384, "fs.pipe-user-pages-soft = 0"),
        ("kernel.pid_max", 32768, "kernel.pid_max = 4194304"),
    ],
)
def test_a_limit_that_one_student_can_use_up_is_named_with_the_line_to_write(name: str, value: int, line: str) -> None:
    (finding,) = inspect_sysctls(SYSCTLS | {name: value})
    assert finding.state is State.WARNING
    assert name in finding.message
    assert finding.remedy == f"printf '%s\\n' '{line}' >> /etc/sysctl.d/60-classroom.conf && sysctl --system"


def test_the_nixos_module_sets_the_limits_that_doctor_expects() -> None:
    text = (ROOT / "modules/kernel.nix").read_text(encoding="utf-8").replace("= unlimited;", f"= x {2**31 - 1};")
    values = {name: int(value) for name, value in re.findall(r'"([\w.-]+)" = .* (\d+);', text)}
    assert values == {name: value for name, value in SYSCTLS.items() if name not in OF_SYSTEMD}


def test_the_page_about_compose_has_the_lines() -> None:
    page = (ROOT / "docs/how-to/docker-compose.md").read_text(encoding="utf-8")
    assert [name for name, value in SYSCTLS.items() if f"    {name} = {value}\n" not in page] == []
