from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest
from rich.console import Console

from classroom.doctor.checks import Check, Finding, NotCheckedError, State, ok, run_checks, warning, wrong
from classroom.doctor.report import is_well, render_report, summary
from classroom.errors import ClassroomError


def raising(error: Exception) -> Check:
    def look() -> Iterable[Finding]:
        raise error

    return Check("x", look)


def test_findings_are_in_the_order_of_the_checks_and_a_hanging_check_delays_no_other() -> None:
    never = threading.Event()

    def hang() -> Iterable[Finding]:
        never.wait(20)
        return ()

    begin = time.monotonic()
    found = run_checks(
        [Check("hangs", hang, bound=0.2), Check("nothing", lambda: ()), Check("well", lambda: [ok("well", "Yes.")])]
    )
    never.set()
    assert time.monotonic() - begin < 5
    assert [(finding.about, finding.state) for finding in found] == [("hangs", State.WRONG), ("well", State.OK)]
    assert "0.2 seconds" in found[0].message


@pytest.mark.parametrize(
    ("error", "state", "says"),
    [
        pytest.param(ClassroomError("Fix it."), State.WRONG, "Fix it.", id="an_error_for_operators"),
        pytest.param(NotCheckedError("The engine is away."), State.WARNING, "The engine is away.", id="told_elsewhere"),
        pytest.param(PermissionError(), State.WARNING, "Only root", id="not_root"),
        pytest.param(KeyError("odd"), State.WRONG, "could not be checked (KeyError", id="a_mistake_of_ours"),
    ],
)
def test_a_check_that_raises_is_a_finding(error: Exception, state: State, says: str) -> None:
    (found,) = run_checks([raising(error)])
    assert found.state is state
    assert says in found.message


@pytest.mark.parametrize(
    ("findings", "well", "says"),
    [
        pytest.param([ok("a", "Yes.")], True, "No problems.", id="ok"),
        pytest.param([ok("a", "Yes."), warning("b", "Soon.")], True, "No problems. Warnings: 1.", id="warning"),
        pytest.param([warning("b", "Soon."), wrong("c", "No.")], False, "Problems: 1. Warnings: 1.", id="wrong"),
    ],
)
def test_a_report_with_only_warnings_is_well(findings: list[Finding], says: str, *, well: bool) -> None:
    assert is_well(findings) is well
    assert summary(findings) == says


def test_the_printed_report_breaks_no_command_and_interprets_no_markup() -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(render_report([wrong("image", "The image [red]x is not there. " * 5, "docker load --input x.tar")]))
    text = console.export_text()
    assert "-> docker load --input x.tar" in text
    assert "[red]x" in text
