from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose import completed_homes, crypt_keys

KEY, OLD = "ab" * 32, "cd" * 32


def test_a_home_that_is_noted_is_done(tmp_path: Path) -> None:
    assert completed_homes.read(tmp_path) == {}
    completed_homes.unpacked(tmp_path, "classroom-home-ada", Path("/srv/ada"))
    completed_homes.unpacked(tmp_path, "classroom-home-bob", Path("/srv/bob"))
    completed_homes.done(tmp_path, "classroom-home-ada")
    assert {home: (each["from"], "done" in each) for home, each in completed_homes.read(tmp_path).items()} == {
        "classroom-home-ada": ("/srv/ada", True),
        "classroom-home-bob": ("/srv/bob", False),
    }
    assert (tmp_path / completed_homes.NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [completed_homes.NAME]


def test_several_at_a_time_lose_no_note(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: completed_homes.unpacked(tmp_path, f"home-{number}", Path("/srv")), range(20)))
    assert len(completed_homes.read(tmp_path)) == 20


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / completed_homes.NAME).write_text("[]")
    with pytest.raises(ClassroomError, match=r"adopted\.json: cannot be read"):
        completed_homes.read(tmp_path)


def test_two_at_a_time_follow_one_another(tmp_path: Path) -> None:
    with (
        completed_homes.alone(tmp_path),
        pytest.raises(ClassroomError, match="Another classroom adopt runs"),
        completed_homes.alone(tmp_path),
    ):
        pytest.fail("both ran")
    with completed_homes.alone(tmp_path):
        pass


def test_the_old_key_decrypts_and_the_new_one_encrypts(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "crypt-key"
    file.parent.mkdir()
    file.write_text(f"{KEY}\n")
    assert "second key" in crypt_keys.keep(tmp_path, [OLD])
    assert file.read_text() == f"{KEY};{OLD}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert crypt_keys.keep(tmp_path, [OLD]) == "", "a second time changes nothing"
    assert crypt_keys.keep(tmp_path, []) == ""


def test_a_key_that_comes_from_elsewhere_is_the_operators_to_add(tmp_path: Path) -> None:
    assert "secrets.cryptKey" in crypt_keys.keep(tmp_path, [OLD])
