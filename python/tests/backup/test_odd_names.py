"""Backups of homes with names that students choose to disturb the operator."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backup.backup_class import Class, need
from classroom.backup.restic import _sort_errors
from classroom.backup.target import read_last_backup
from classroom.doctor.checks import State
from classroom.doctor.state import check_backup
from classroom.settings.file import load_settings

PASSWORD = {"RESTIC_PASSWORD": "of = these tests"}
FORGED = "\x1b]0;PWNED\x07\x1b[2J\nBackup complete. Nothing is missing.\u202e"


def make_deep(directory: Path, name: str) -> None:
    """Create a path below a directory that is longer than any program can name."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        for part in (name, *["d" * 200] * 25):
            Path(part).mkdir()
            os.chdir(part)
    finally:
        os.chdir(before)


@pytest.fixture
def repository(tmp_path: Path) -> str:
    need("restic")
    made = str(tmp_path / "backups")
    subprocess.run(["restic", "-r", made, "init"], env=os.environ | PASSWORD, check=True, capture_output=True)
    return made


@pytest.mark.attack(62)
def test_an_overlong_path_makes_no_backup_fail_and_controls_no_terminal(
    school: Class, elsewhere: Class, repository: str
) -> None:
    make_deep(school.home("ada"), FORGED)
    ended = school.run("create", repository, **PASSWORD)
    assert ended.returncode == 0, ended.stderr
    for text in (ended.stdout, ended.stderr):
        assert not set(text) & set("\x1b\x07\u202e")
        assert not [line for line in text.splitlines() if line.startswith("Backup complete")]
    (line,) = [line for line in ended.stderr.splitlines() if "left out" in line]
    assert line.startswith(str(school.home("ada")))
    assert r"\x1b]0;PWNED\x07\x1b[2J\nBackup complete. Nothing is missing.\u202e/ddd" in line
    assert len(line) < 600
    (finding,) = check_backup(load_settings(school.settings))
    assert finding.state is State.WARNING
    assert finding.message.isprintable()
    assert "left out" in finding.message
    elsewhere.done("restore", repository, **PASSWORD)
    assert (elsewhere.home("bob") / "notes.txt").read_text() == "of bob"


def test_a_path_that_is_too_long_on_another_machine_stops_no_restore(
    school: Class, elsewhere: Class, repository: str
) -> None:
    """It fits where it was saved, and not below the longer path where it is restored."""
    home = school.home("ada")
    rest = 4090 - len(str(home))  # a path has at most 4,095 bytes (limits.h, PATH_MAX)
    parts = ["d" * 200] * (rest // 201) + ["d" * (rest % 201 - 1)] * (rest % 201 > 1)
    before = Path.cwd()
    os.chdir(home)
    try:
        for part in parts:
            Path(part).mkdir()
            os.chdir(part)
    finally:
        os.chdir(before)
    school.done("create", repository, **PASSWORD)
    elsewhere.done("restore", repository, **PASSWORD)
    assert (elsewhere.home("bob") / "notes.txt").read_text() == "of bob"
    assert (elsewhere.home("ada") / parts[0]).is_dir()


@pytest.mark.attack(62)
def test_many_overlong_paths_are_counted(school: Class, repository: str) -> None:
    for number in range(30):
        make_deep(school.home("ada"), str(number))
    left_out = school.done("create", repository, **PASSWORD)["left_out"]
    assert len(left_out) == 21
    assert left_out[-1].startswith("10 more: left out")
    last = read_last_backup(school.state)
    assert last
    assert last.problems == tuple(left_out)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"Op":"lstat","Path":"/h/x","Err":36}', (0, (), ("/h/x",))),
        ('{"message":"lstat /h/x: file name too long"}', (0, (), ("/h/x",))),
        ('{"message":"open /h/x: no such file or directory"}', (1, (), ())),
        ('{"Op":"open","Path":"/h/x","Err":2}', (1, (), ())),
        ('{"Op":"read","Path":"/h/x","Err":5}', (0, ("/h/x",), ())),
        ('{"message":"read /h/file name too long: input/output error"}', (0, ("/h/x",), ())),
        ('{"message":"read /h/no such file or directory/x: input/output error"}', (0, ("/h/x",), ())),
        ('{"Op":"read","Path":"/h/no such file or directory","Err":5}', (0, ("/h/x",), ())),
    ],
)
def test_a_damaged_disk_is_never_taken_for_a_students_doing(line: str, expected: tuple[object, ...]) -> None:
    message = f'{{"message_type":"error","error":{line},"during":"archival","item":"/h/x"}}'
    assert _sort_errors([message, message]) == expected
