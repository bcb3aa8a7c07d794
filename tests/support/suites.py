"""Processes for `make test`: each has a stack of its own, and takes one test file after the other.

A plugin for pytest with pytest-xdist, in `python -m stack run --number=N`: `-p support.suites --dist=loadscope
--no-loadscope-reorder`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

ALONE = "tests/behaviour/test_speed.py"
"""Tests that measure time: the last ones, when the other processes have ended."""

STACKLESS = 2
"""Processes on a machine where no stack can run."""


class SuiteScheduling(LoadScopeScheduling):
    """Gives a process one file after the other, in the order of the command line."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if ALONE in self.workqueue:
            self.workqueue.move_to_end(ALONE)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        others = [other for other in self.nodes if other is not node and not other.shutting_down]
        if list(self.workqueue) == [ALONE] and others:
            node.shutdown()
        else:
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SuiteScheduling:
    """Return the scheduler in place of the one that `--dist` names."""
    return SuiteScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Start one process in each stack, as pytest-xdist's `--tx` would."""
    if "CLASSROOM_URL" in os.environ or hasattr(config, "workerinput"):
        return  # in a stack, or one of the processes
    directories = os.environ.get("CLASSROOM_STACKS", "").split()
    within = [
        f"popen//python={sys.executable} -m stack exec {directory} -- {sys.executable}" for directory in directories
    ]
    config.option.tx = within or ["popen"] * STACKLESS


@pytest.hookimpl(wrapper=True, trylast=True)  # within pytest-cov's own
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test that is marked `no_cover` without a tracer.

    In a process of pytest-xdist, pytest-cov 7.1 starts coverage twice and pauses one of the two.
    """
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
