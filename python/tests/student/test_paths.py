from __future__ import annotations

import os
import stat
from pathlib import Path

from classroom.student import paths


def test_variables_of_the_spawner_are_not_changed() -> None:
    environment = {"HOME": "/h", "JUPYTER_RUNTIME_DIR": "/tmp/jupyter", "IPYTHONDIR": "/i"} | {
        "MPLCONFIGDIR": "/m",
        "XDG_CACHE_HOME": "/c",
        "HF_HOME": "/f",
        "TORCH_HOME": "/t",
    }
    assert paths.default_variables(environment) == {}


def test_other_directories_are_where_a_full_home_does_not_matter(tmp_path: Path) -> None:
    found = paths.default_variables({"HOME": str(tmp_path)})
    scratch = {name: path for name, path in found.items() if not path.startswith(str(tmp_path))}
    assert set(scratch) == {"JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"}
    paths.make_scratch_directories(found)
    assert all(stat.S_IMODE(Path(path).stat().st_mode) == 0o700 for path in scratch.values())


def test_the_time_zone_is_the_hubs_unless_the_settings_name_one() -> None:
    hub = {"HOME": "/h", "CLASSROOM_TIME_ZONE": "Asia/Tokyo"}
    assert paths.default_variables(hub)["TZ"] == "Asia/Tokyo"
    assert paths.default_variables(hub | {"TZ": "Europe/Berlin"})["TZ"] == "Europe/Berlin"
    assert "TZ" not in paths.default_variables(hub | {"CLASSROOM_TIME_ZONE": ""})


def test_downloaded_models_stay_in_the_home() -> None:
    assert paths.default_variables({"HOME": "/h"})["HF_HOME"] == "/h/.cache/huggingface"


def test_a_writable_directory_is_recognized_and_left_clean(tmp_path: Path) -> None:
    assert paths.is_writable(tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_a_directory_that_cannot_be_created_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not paths.is_writable(tmp_path / "file" / "below")


def test_the_memory_limit_is_read_from_both_versions_of_control_groups(tmp_path: Path) -> None:
    machine = paths.memory_limit(tmp_path)
    assert machine > 2**28
    (tmp_path / "memory.max").write_text("max\n")
    assert paths.memory_limit(tmp_path) == machine
    (tmp_path / "memory.max").write_text("1048576\n")
    assert paths.memory_limit(tmp_path) == 2**20
    (tmp_path / "memory.max").unlink()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("2097152\n")
    assert paths.memory_limit(tmp_path) == 2**21


def test_shared_directories_are_linked_into_the_home_and_unlinked_again(tmp_path: Path) -> None:
    home, shared = tmp_path / "home", tmp_path / "srv"
    home.mkdir()
    paths.link_shared_directory(home, shared)
    assert not list(home.iterdir()), "there are none"
    shared.mkdir()
    for _ in range(2):
        paths.link_shared_directory(home, shared)
        assert (home / "shared").readlink() == shared
    shared.rmdir()
    paths.link_shared_directory(home, shared)
    assert not list(home.iterdir())


def test_a_students_own_file_called_shared_stays(tmp_path: Path) -> None:
    home, shared = tmp_path / "home", tmp_path / "srv"
    home.mkdir()
    (home / "shared").symlink_to("elsewhere")
    paths.link_shared_directory(home, shared)
    shared.mkdir()
    paths.link_shared_directory(home, shared)
    assert str((home / "shared").readlink()) == "elsewhere"


def test_files_that_a_home_begins_with_are_of_today_and_a_students_own_stay(tmp_path: Path) -> None:
    home, files = tmp_path / "home", tmp_path / "files"
    for folder in (home, files):
        folder.mkdir()
    for name in ("Welcome.ipynb", "own.ipynb", "changed.ipynb"):
        (home / name).touch()
        os.utime(home / name, (0, 0) if name != "changed.ipynb" else (1.5e9, 1.5e9))
    for name in ("Welcome.ipynb", "changed.ipynb", "removed.ipynb"):
        (files / name).touch()
    paths.date_new_files(home, files)
    times = {path.name: path.stat().st_mtime for path in home.iterdir()}
    assert times["Welcome.ipynb"] > 1.7e9
    assert (times["own.ipynb"], times["changed.ipynb"]) == (0, 1.5e9)
