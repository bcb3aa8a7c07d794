from __future__ import annotations

from pathlib import Path

import pytest

from classroom.doctor import network
from classroom.doctor.checks import State
from classroom.doctor.features import check_kernel_features, check_rules, machine_checks
from classroom.doctor.kernel import SYSCTLS, inspect_sysctls, read_sysctls
from classroom.settings.models import Settings

VERSION_1 = """#subsys_name	hierarchy	num_cgroups	enabled
cpu	1	2	1
memory	0	715	0
pids	8	2	1
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return /proc and control groups of a machine that has everything."""
    for name in ("ipc", "net", "pid", "uts"):
        (tmp_path / "self/ns").mkdir(parents=True, exist_ok=True)
        (tmp_path / "self/ns" / name).touch()
    for file in ("self/net/if_inet6", "sys/kernel/seccomp/actions_avail"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n", encoding="ascii")
    return tmp_path


def messages(machine: Path) -> list[str]:
    return [f"{finding.state.value}: {finding.message}" for finding in check_kernel_features(machine, machine)]


def test_a_machine_with_everything_is_well(machine: Path) -> None:
    assert messages(machine) == ["ok: It has what containers ask for."]


def test_a_machine_without_ipv6_is_well(machine: Path) -> None:
    (machine / "self/net/if_inet6").unlink()
    assert messages(machine) == [
        "ok: It has what containers ask for. It has no IPv6, which containers do not use."
    ]  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
def test_a_limit_without_its_control_group_is_named_with_the_kernels_option(machine: Path, version: int) -> None:
    if version == 1:
        (machine / "cgroup.controllers").unlink()
        (machine / "cgroups").write_text(VERSION_1, encoding="ascii")
    else:
        (machine / "cgroup.controllers").write_text("cpuset cpu io pids\n", encoding="ascii")
    (finding,) = check_kernel_features(machine, machine)
    assert finding.state is State.WRONG
    assert "student.memory has no effect" in finding.message
    assert "CONFIG_MEMCG" in str(finding.remedy)
    assert "cgroup_disable=memory" in str(finding.remedy)


@pytest.mark.parametrize(
    ("file", "message"), [("self/ns/net", "no namespaces (net)"), ("sys/kernel/seccomp/actions_avail", "no seccomp")]
)
def test_what_no_container_starts_without_is_named(machine: Path, file: str, message: str) -> None:
    (machine / file).unlink()
    (text,) = messages(machine)
    assert message in text
    assert text.startswith("wrong")


def test_a_kernel_without_a_feature_has_no_limit_of_it(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/file-max").write_text("100\n", encoding="ascii")
    assert read_sysctls(tmp_path) == {"fs.file-max": 100}
    (finding,) = inspect_sysctls(read_sysctls(tmp_path))
    assert "fs.file-max" in finding.message
    assert not any(name in finding.message for name in SYSCTLS.keys() - {"fs.file-max"})


def test_a_machine_without_nft_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = check_rules()
    assert (finding.state, finding.remedy) == (State.WRONG, "install nftables")


def test_a_kind_of_rule_that_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # This nft refuses one kind of rule, as it does on a kernel without it.
    nft = tmp_path / "nft"
    nft.write_text('#!/bin/sh\ncase "$(cat)" in *"ct count"*) exit 1 ;; esac\n', encoding="ascii")
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if network.run_alone(["true"]).returncode:
        pytest.skip("only root has a network namespace of its own")
    (finding,) = check_rules()
    assert "no limits of connections" in finding.message
    assert "CONFIG_NFT_CONNLIMIT" in str(finding.remedy)


def test_this_machine_has_all_kinds_of_rules_where_it_can_have_a_class() -> None:
    findings = list(check_rules())
    if any("not installed" in finding.message or "Only root" in finding.message for finding in findings):
        pytest.skip("needs root and nft")
    assert [finding.state for finding in findings] == [State.OK]


def test_each_check_of_a_machine_is_without_a_class() -> None:
    assert {"kernel", "firewall", "engine", "GPUs", "homes", "disk", "clock"} <= {
        check.about for check in machine_checks(Settings())
    }
