"""Reading the hub's database after its writer was killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from classroom.db import sqlite
from classroom.settings.models import Settings
from classroom.storage import report

WRITER = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA cache_size = 1")  # changed pages go to the file before the transaction ends
db.execute("BEGIN")
db.execute("UPDATE classroom_homes SET location = location || hex(zeroblob(400))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state directory whose hub was killed during a transaction."""
    file = tmp_path / sqlite.FILE_NAME
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE classroom_homes (username TEXT, location TEXT, archived_at TEXT)")
        made.executemany(
            "INSERT INTO classroom_homes VALUES (?, ?, NULL)", [(f"s{n}", f"home-{n}") for n in range(200)]
        )
    made.close()
    done = subprocess.run([sys.executable, "-c", WRITER, file], check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.with_name(f"{file.name}-journal").stat().st_size > 0
    return tmp_path


def test_a_killed_writer_leaves_a_readable_database(state: Path) -> None:
    rows = sqlite.select_rows(sqlite.database_file(state), "SELECT location FROM classroom_homes WHERE username = 's7'")
    assert rows == [("home-7",)]


def test_storage_is_reported_after_a_killed_writer(state: Path) -> None:
    settings = Settings.model_validate({"paths": {"state": state}, "spawner": "process"})
    homes = {row.student: row.home for row in report.inspect_homes(settings).rows}
    assert homes == {f"s{n}": f"home-{n}" for n in range(200)}
