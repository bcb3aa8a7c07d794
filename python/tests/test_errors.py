"""Texts that students choose, in messages and on terminals."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from classroom.cli.main import main
from classroom.cli.output import build_table, print_result, print_text
from classroom.doctor.checks import wrong
from classroom.doctor.report import render_report
from classroom.errors import ClassroomError, no_space_reason, printable
from support.processes import classroom

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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "", "x"), "The disk is full (No space left on device)."),
        (OSError(errno.EDQUOT, "", "x"), "The disk is full (Disk quota exceeded)."),
        (OSError(errno.EROFS, "", "x"), "The disk cannot be written to (Read-only file system)."),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full (database or disk is full)."),
        (sqlite3.OperationalError("disk I/O error"), "The disk cannot be written to (disk I/O error)."),
        (OSError(errno.EACCES, "", "x"), ""),
        (sqlite3.OperationalError("no such table: users"), ""),
        (ClassroomError("write /x: no space left on device"), "write /x: no space left on device"),
        (ValueError("database or disk is full"), ""),
    ],
)
def test_a_full_disk_is_known_by_its_cause(error: Exception, reason: str) -> None:
    assert no_space_reason(error) == reason
    outer = ClassroomError("state: cannot be written")
    outer.__cause__ = error
    assert no_space_reason(outer) == reason


@pytest.mark.parametrize("words", [["schema"], ["--help"]], ids=["output", "help"])
def test_a_command_whose_output_does_not_fit_says_so(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*classroom(*words)], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr == "The disk is full (No space left on device). The output is not complete.\n"


def test_every_page_of_help_is_shown_on_a_terminal_with_few_characters() -> None:
    program = """
import sys
from typer.main import get_command
from classroom.cli.main import app
from classroom.cli.manual import subcommands
from classroom.cli.output import allow_any_terminal, build_table, print_result, print_text
allow_any_terminal()
command = get_command(app)
for name, each in [("classroom", command), *subcommands(command, "classroom")]:
    each.main(["--help"], name, standalone_mode=False)
print_result(build_table("Name", rows=[["Zo\\xeb \\u540d"]]), {}, as_json=False)
print_text("\\u201cGr\\u00f6\\u00dfe\\u201d \\u2026")
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2].strip() == r"Zo\xeb \u540d"
    assert done.stdout.splitlines()[-1] == r'"Gr\xf6\xdfe" ...'
