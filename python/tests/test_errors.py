"""Texts that students choose, in messages and on terminals."""

from __future__ import annotations

import io
import os
import sys

import pytest
from rich.text import Text

from classroom.cli.main import main
from classroom.cli.output import build_table, print_result, print_text
from classroom.doctor.checks import wrong
from classroom.doctor.report import render_report
from classroom.errors import ClassroomError, printable

FORGED = "a\x1b[2J\x1b]0;title\x07\x9b5n\rb\u202e\u2066\u2028\u200f\x7f\x00"
UNSAFE = set(FORGED) - set("ab[2J]0;title5n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Größe 名 🎓", "plain, Größe 名 🎓"),
        ("\x1b[2J", r"\x1b[2J"),
        ("one\ntwo\r", r"one\ntwo\r"),
        ("\u202eevil\u2069", r"\u202eevil\u2069"),
        ("\x9b5n", r"\x9b5n"),
        (os.fsdecode(b"\xff.txt"), r"\udcff.txt"),
    ],
)
def test_a_name_is_shown_on_one_line_without_control_of_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert shown.encode("utf-8")


def test_line_breaks_of_our_own_messages_stay() -> None:
    assert printable("one\n\ttwo\x1b", keep="\n\t") == "one\n\ttwo\\x1b"


def test_nothing_printed_for_people_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(FORGED)
    print_text(FORGED, err=True)
    print_result(Text(FORGED), None, as_json=False)
    print_result(build_table("Name", rows=[(f"{FORGED}\nforged line",)]), None, as_json=False)
    print_result(render_report([wrong("disk", FORGED, f"rm {FORGED}")]), None, as_json=False)
    shown = capsys.readouterr()
    assert not set(shown.out + shown.err) & UNSAFE
    assert not [line for line in shown.out.splitlines() if line.startswith("forged line")]
    print_result(Text("bold", "bold"), None, as_json=False)
    assert capsys.readouterr().out == "bold\n"


def test_an_error_of_a_command_does_not_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ClassroomError(f"{printable(FORGED)}: cannot be read\nsecond line {FORGED}")

    monkeypatch.setattr("classroom.cli.main.app", fail)
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().err
    assert not set(shown) & UNSAFE
    assert len(shown.splitlines()) == 2


def test_a_name_that_is_not_utf8_stops_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    monkeypatch.setattr(sys, "stdout", written)
    print_text(os.fsdecode(b"\xff.txt"))
    written.flush()
    assert written.buffer.getvalue() == b"\\udcff.txt\n"  # type: ignore[attr-defined]
