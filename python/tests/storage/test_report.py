from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console

from classroom.errors import ClassroomError
from classroom.settings.models import Settings
from classroom.storage.report import HomeContents, HomeRow, StorageReport, inspect_homes

G = 1024**3
REPORT = StorageReport(
    "directory",
    (
        HomeRow(
            "gone",
            "classroom-home-gone",
            HomeContents(5 * G, 4, "2026-03-01T10:00:00+00:00"),
            "2026-05-02T10:00:00+00:00",
        ),
        HomeRow("ben", "classroom-home-ben", HomeContents()),
        HomeRow("ada", "classroom-home-ada", HomeContents(3 * G // 2, 1234, "2026-04-01T10:00:00+00:00", 20 * G)),
    ),
    free=100 * G,
)


def test_the_table_lists_removed_students_last() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(REPORT.as_table())
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    rows = [line.split() for line in lines[1:4]]
    assert [row[0] for row in rows] == ["ada", "ben", "gone"]
    assert rows[0][1:4] == ["1.5G", "20G", "1234"]
    assert "2026-05-02" in rows[2]
    assert "6.5G in 3 homes, 100G free" in lines[-1]


def test_json_has_bytes_and_times() -> None:
    data = json.loads(json.dumps(REPORT.as_data()))
    assert data["homes"][2] == {
        "student": "ada", "home": "classroom-home-ada", "archived": None,
        "size": 3 * G // 2, "files": 1234, "changed": "2026-04-01T10:00:00+00:00", "quota": 20 * G,
    }  # fmt: skip


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match="there is no database; the hub creates it when it starts"):
        inspect_homes(Settings.model_validate({"paths": {"state": tmp_path}}))
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_engine_is_an_error(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jupyterhub.sqlite") as database:
        database.execute("CREATE TABLE classroom_homes (username TEXT, location TEXT, archived_at TEXT)")
    settings = {"paths": {"state": tmp_path}, "docker": {"host": f"unix://{tmp_path}/none.sock"}}
    with pytest.raises(ClassroomError, match=r"the Docker engine does not answer \(No such file or directory\);"):
        inspect_homes(Settings.model_validate(settings))


def test_homes_of_processes_are_measured_without_an_engine(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jupyterhub.sqlite") as database:
        database.execute("CREATE TABLE classroom_homes (username TEXT, location TEXT, archived_at TEXT)")
        database.execute("INSERT INTO classroom_homes VALUES ('ada', 'home-ada', NULL), ('ben', 'home-ben', NULL)")
    (tmp_path / "homes/home-ada").mkdir(parents=True)
    (tmp_path / "homes/home-ada/notes.txt").write_text("mine")
    found = inspect_homes(Settings.model_validate({"spawner": "process", "paths": {"state": tmp_path}}))
    assert [(row.student, row.contents.files) for row in found.rows] == [("ada", 2), ("ben", None)]
