"""Quotas of homes, and a limit that only root may lift, in a machine of QEMU (`make test-quota`)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from quota import machine

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.environ.get("CLASSROOM_TEST_QUOTA") != "1",
        reason="needs QEMU and a kernel of Debian's: set CLASSROOM_TEST_QUOTA=1 (make test-quota)",
    ),
]

MIB = 1024**2


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if why := machine.missing():
        pytest.skip(why)
    output = machine.run(Path(__file__).with_name("check.py"), tmp_path_factory.mktemp("machine"))
    answers = {kind: json.loads(text) for kind, text in re.findall(r"FOUND (\w+) (\{.*\})", output)}
    assert set(answers) == {"ext4", "xfs", "queues", "plain"}, output
    return answers


@pytest.mark.attack(79)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_student_can_store_up_to_the_quota_and_df_shows_it(results: dict[str, Any], kind: str) -> None:
    result = results[kind]
    assert result["check"] == {"mistakes": []}
    assert result["df"] == 8 * MIB, "df shows the quota of the home, not the disk"
    assert result["fits"] == ""
    assert result["too much"] in {"Disk quota exceeded", "No space left on device"}
    assert result["too many"] in {"Disk quota exceeded", "No space left on device"}
    assert 8 * MIB - 65536 <= result["use"]["size"] <= result["use"]["quota"] == 8 * MIB


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_student_can_empty_a_full_home_and_others_are_unaffected(results: dict[str, Any], kind: str) -> None:
    result = results[kind]
    assert (result["another's"], result["deleting"], result["then fits"]) == ("", "", "")


@pytest.mark.attack(6)
def test_message_queues_of_one_student_leave_those_of_others(results: dict[str, Any]) -> None:
    first, second = results["queues"]["bounded"]
    assert 0 < first < 100
    assert second == 0, "with the engine's limit, one student takes the queues of all"
    assert results["queues"]["lifted"] == [100, 100]


@pytest.mark.attack(3, 4)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_student_takes_no_folder_out_of_the_quota(results: dict[str, Any], kind: str) -> None:
    assert results[kind]["leaving"] == "", "without the profile of containers, the kernel allows it"
    assert results[kind]["leaving under seccomp"] == "Operation not permitted"


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_larger_quota_applies_at_the_next_start(results: dict[str, Any], kind: str) -> None:
    assert results[kind]["more"] == ""
    assert results[kind]["use then"]["quota"] == 32 * MIB
    assert results[kind]["use then"]["size"] > 22 * MIB


def test_a_file_system_without_quotas_is_reported_with_the_commands(results: dict[str, Any]) -> None:
    (problem,) = results["plain"]["mistakes"]
    assert "tune2fs -O project,quota -Q prjquota" in problem
