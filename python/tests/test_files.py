from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from classroom.errors import ClassroomError
from classroom.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("old")
    write_atomically(file, "ü\n")
    assert file.read_bytes() == "ü\n".encode()
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_the_draft_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    (tmp_path / f".a.json.{os.getpid()}").write_text("half")
    write_atomically(file, "all")
    assert file.read_text() == "all"


def test_a_missing_directory_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match="No such file"):
        write_atomically(tmp_path / "none" / "a.json", "")
