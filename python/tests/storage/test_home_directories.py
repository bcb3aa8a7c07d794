from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.storage import home_directories

HOME = "classroom-home-ada"


def made(store: Path, name: str = HOME) -> Path:
    with home_directories.open_store(store) as opened:
        home_directories.create_home_directory(opened, name)
    return store / name


def used(store: Path, name: str = HOME) -> home_directories.HomeUsage:
    with home_directories.open_store(store) as opened, home_directories.open_home(opened, name) as found:
        return home_directories.measure_usage(found)


def test_a_home_belongs_to_its_student(store: Path) -> None:
    status = made(store).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 100, 0o700)


def test_creating_an_existing_home_changes_nothing(store: Path) -> None:
    home = made(store)
    (home / "notes").write_text("mine")
    home.chmod(0o755)
    made(store)
    assert (home / "notes").read_text() == "mine"
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_a_home_created_by_root_is_given_to_the_student(store: Path) -> None:
    (store / HOME).mkdir(mode=0o755)
    status = made(store).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 100, 0o700)


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo"])
def test_anything_but_a_directory_is_refused_as_a_home(store: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    place = store / HOME
    plant: dict[str, Callable[[], object]] = {
        "link": lambda: place.symlink_to(target),
        "dangling": lambda: place.symlink_to(tmp_path / "nothing"),
        "file": place.touch,
        "fifo": lambda: os.mkfifo(place),
    }
    plant[kind]()
    with pytest.raises(ClassroomError, match=f"the home {HOME} cannot be opened"):
        made(store)
    assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o755)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "classroom-home-", "lab-home-ada", "classroom-home-a/b", "/classroom-home-a", "classroom-home-a\n",
     "classroom-home-a\0", "../classroom-home-a", "classroom-home-é", "classroom-home-" + "a" * 250, "--help"],
)  # fmt: skip
def test_a_name_that_the_hub_does_not_give_is_refused(name: str) -> None:
    if name == "classroom-home-":
        assert home_directories.check_home_name(name, "classroom") == name
        return
    with pytest.raises(ClassroomError, match="is not the name of a home of this class"):
        home_directories.check_home_name(name, "classroom")


def test_escaped_names_are_accepted() -> None:
    for name in ("classroom-home-a.b_c-40d", "classroom-home-ada--2"):
        assert home_directories.check_home_name(name, "classroom") == name


@pytest.mark.parametrize(("mode", "owner"), [(0o777, 0), (0o775, 0), (0o711, 1000)])
def test_a_homes_directory_writable_by_others_is_refused(store: Path, mode: int, owner: int) -> None:
    store.chmod(mode)
    os.chown(store, owner, -1)
    with pytest.raises(ClassroomError, match=f"run: chown root:root {store} && chmod 0711 {store}"):
        made(store)


def test_a_missing_homes_directory_is_not_created(tmp_path: Path) -> None:
    missing = tmp_path / "unmounted"
    with pytest.raises(ClassroomError, match=f"mount its disk, or make it: install -d -m 0711 {missing}"):
        made(missing)
    assert not missing.exists()


@pytest.mark.attack(60)
def test_usage_counts_links_and_not_their_targets(store: Path, tmp_path: Path) -> None:
    home = made(store)
    (tmp_path / "big").write_bytes(os.urandom(1 << 20))
    (home / "a").mkdir()
    (home / "a" / "file").write_bytes(os.urandom(100 * 1024))
    (home / "a" / "again").hardlink_to(home / "a" / "file")
    for number, target in enumerate(["/", str(tmp_path), "..", "."]):
        (home / f"link{number}").symlink_to(target)
    os.mkfifo(home / "fifo")
    found = used(store)
    assert found.files == 1 + 1 + 1 + 4 + 1
    assert 100 * 1024 <= found.size < 200 * 1024
    assert abs(found.changed - time.time()) < 60


def test_measuring_a_very_deep_home_ends(store: Path) -> None:
    home = made(store)
    here = os.open(home, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        assert used(store).files == 101
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        subprocess.run(["rm", "-rf", home], check=True)  # pytest's own removal recurses


def test_a_change_in_the_future_counts_as_now(store: Path) -> None:
    home = made(store)
    (home / "file").touch()
    os.utime(home / "file", (time.time() + 10**8,) * 2)
    assert used(store).changed <= time.time()
