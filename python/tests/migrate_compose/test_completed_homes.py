from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose import completed_homes


def test_a_home_in_the_record_is_complete(tmp_path: Path) -> None:
    assert completed_homes.read_completed(tmp_path) == {}
    completed_homes.mark_unpacked(tmp_path, "classroom-home-ada", Path("/srv/ada"))
    completed_homes.mark_unpacked(tmp_path, "classroom-home-bob", Path("/srv/bob"))
    completed_homes.mark_completed(tmp_path, "classroom-home-ada")
    assert {
        home: (record["from"], "done" in record) for home, record in completed_homes.read_completed(tmp_path).items()
    } == {
        "classroom-home-ada": ("/srv/ada", True),
        "classroom-home-bob": ("/srv/bob", False),
    }
    assert (tmp_path / completed_homes.RECORD).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [completed_homes.RECORD]


def test_parallel_writers_lose_no_entry(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(lambda number: completed_homes.mark_unpacked(tmp_path, f"home-{number}", Path("/srv")), range(20))
        )
    assert len(completed_homes.read_completed(tmp_path)) == 20


def test_an_unreadable_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / completed_homes.RECORD).write_text("[]")
    with pytest.raises(ClassroomError, match=r"adopted\.json: cannot be read"):
        completed_homes.read_completed(tmp_path)


def test_two_migrations_cannot_run_at_once(tmp_path: Path) -> None:
    with (
        completed_homes.exclusive_migration(tmp_path),
        pytest.raises(ClassroomError, match="Another classroom adopt is running"),
        completed_homes.exclusive_migration(tmp_path),
    ):
        pytest.fail("both ran")
    with completed_homes.exclusive_migration(tmp_path):
        pass
