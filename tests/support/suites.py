"""Two processes for `make test`: one for the suites that share the running class, one for all others.

A plugin for pytest with pytest-xdist (`-p support.suites --numprocesses=2 --dist=loadscope`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

CLASS = ("tests/stack/", "tests/behaviour/", "tests/redteam/", "python/tests/demo/test_demo_docker")
"""Tests that use the running class, or measure time."""


class SuiteScheduling(LoadScopeScheduling):
    """Schedules the tests of a suite in one process, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return "class" if nodeid.startswith(CLASS) else "others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SuiteScheduling:
    """Return the scheduler in place of the one that `--dist` names."""
    return SuiteScheduling(config, log)


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
