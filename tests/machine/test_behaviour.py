"""The suites of tests/behaviour and tests/redteam on a booted NixOS, with the student image that Nix makes.

`make test-machine-behaviour` runs it; FILES names some of the files. What one of its tests prints is in the report.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine.machine import machine, set_password
from machine.suite import Outcome, needs, run
from machine.systems import PLAIN, build_system
from machine.world import world
from nix.evaluation import REPOSITORY

FILES = os.environ.get("CLASSROOM_TEST_BEHAVIOUR", "").split()

pytestmark = [
    pytest.mark.skipif(not FILES, reason="takes long: make test-machine-behaviour runs it"),
    pytest.mark.timeout(7200),
]

SKIPPED = {
    needs("nginx.conf"): {"test_doctor::test_an_nginx_without_websockets_is_found", "test_origins"},
    needs("daemon.json"): {
        "test_doctor::test_an_engine_whose_restart_would_end_students_work_is_found",
        "test_machine::test_a_kernel_without_ipv6_starts_servers",
    },
    needs("prune"): {
        "test_machine::test_an_image_and_a_network_that_were_pruned_are_named_and_work_again_once_they_are_made",
    },
    needs("programs"): {
        "test_image::test_programs_of_a_course_are_there",
        "test_image::test_each_format_of_the_export_menu_gives_a_file",
        "test_image::test_plots_draw_chinese",
        "test_isolation_container::test_a_program_with_the_setuid_bit_gains_nothing",
        "test_isolation_kernel::test_a_32_bit_program_takes_no_file_out_of_the_quota",
    },
    "PyTorch is 3 GB: set CLASSROOM_TEST_TORCH=1 (make test-torch)": {"test_torch"},
}
"""Tests that a NixOS machine skips, by the reason. A file stands for all tests in it."""
OF_THIS_COMPUTER = {"this engine may not raise limits: it lacks CAP_SYS_RESOURCE"}
"""Reasons for which no machine here can run a test."""


@pytest.fixture(scope="module")
def outcome(root: Path, tmp_path_factory: pytest.TempPathFactory, figures: list[str]) -> Iterator[Outcome]:
    """Boot the class and run the suite against it."""
    directory = tmp_path_factory.mktemp("behaviour")
    system = build_system("minimal", PLAIN, "./behaviour.nix", image=True)
    with world(directory) as hosts, machine(directory / "machine", root, system, hosts) as made:
        for unit in ("classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(unit, 600)
        outcome = run(made, hosts, set_password(made), FILES)
        figures.append(f"behaviour suite: {outcome.passed} tests passed in {outcome.seconds / 60:.0f} min")
        yield outcome


def test_what_every_class_promises_holds_on_nixos(outcome: Outcome) -> None:
    assert outcome.passed
    assert not outcome.failed, outcome.output


def test_only_what_nixos_rules_out_is_skipped(outcome: Outcome) -> None:
    found = {Path(path).stem for name in FILES for path in [REPOSITORY / name, *(REPOSITORY / name).glob("*.py")]}
    expected = {
        (test, reason) for reason, tests in SKIPPED.items() for test in tests if test.partition("::")[0] in found
    }
    assert {(test, reason) for test, reason in outcome.skipped if reason not in OF_THIS_COMPUTER} == expected
