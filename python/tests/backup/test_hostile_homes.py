"""Backups and restores of homes whose owners change them meanwhile, to get or to spoil the files of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backup.backup_class import PASSWORD, Class, tree
from classroom.backup import sparse, vault
from support.processes import classroom

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the homes of others")

FOLDERS = 150

# In the working directory, as a container has its home open: a restore that moves the home does not stop it.
EXCHANGE = """
import ctypes, sys
libc = ctypes.CDLL(None)
pairs = [(f"d{n}".encode(), f"link{n}".encode()) for n in range(int(sys.argv[1]))]
print(flush=True)
while True:
    for folder, link in pairs:
        libc.renameat2(-100, folder, -100, link, 2)
"""


def prepare_folders(home: Path, target: Path) -> None:
    """Create folders with a file in a home, and links to a directory."""
    for number in range(FOLDERS):
        (home / f"d{number}").mkdir()
        (home / f"d{number}" / "exam.txt").write_text("own")
        (home / f"link{number}").symlink_to(target)


@contextmanager
def exchanging(home: Path) -> Iterator[None]:
    """Exchange these folders of a home with the links, again and again."""
    command = [sys.executable, "-c", EXCHANGE, str(FOLDERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=home) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def files_named(home: Path, name: str) -> list[Path]:
    return [Path(folder, name) for folder, _, names in os.walk(home) if name in names]


@pytest.mark.attack(57, 82)
@needs_root
def test_a_backup_of_one_home_never_contains_the_files_of_another(
    school: Class, elsewhere: Class, place: list[str]
) -> None:
    (school.home("ada") / "exam.txt").write_text("secret of ada")
    (school.home("ada") / "exam.txt").chmod(0o600)
    prepare_folders(school.home("bob"), school.home("ada"))
    with exchanging(school.home("bob")):
        for _ in range(3):
            ended = school.run("create", "--overwrite", *place, **PASSWORD)
            assert ended.returncode == 0 or "The backup is complete except for:" in ended.stderr
            elsewhere.done("restore", "--overwrite", *place, **PASSWORD)
            stored = {file.read_text() for file in files_named(elsewhere.home("bob"), "exam.txt")}
            assert "secret of ada" not in stored
    assert (elsewhere.home("ada") / "exam.txt").read_text() == "secret of ada"


@pytest.mark.attack(58)
@needs_root
def test_a_restore_changes_nothing_outside_the_home(school: Class, place: list[str]) -> None:
    bob = school.home("bob")
    (bob / "exam.txt").write_text("of bob")
    for path in (bob, bob / "exam.txt", bob / "notes.txt"):
        os.chown(path, 1001, 1001)
    prepare_folders(school.home("ada"), bob)
    school.done("create", *place, **PASSWORD)
    before = tree(bob)
    for _ in range(3):
        with exchanging(school.home("ada")):
            school.done("restore", "--student=ada", "--overwrite", *place, **PASSWORD)
        assert tree(bob) == before
    assert len(files_named(school.home("ada"), "exam.txt")) == FOLDERS
    assert not [path for path in (school.state / "homes").iterdir() if path.name.startswith(".")]


READ = """
cd "$1"
for name in file out/file up/file ../outside/file; do echo "$name: $(cat "$name" 2>&1)"; done
readlink out up
for command in "touch file" "umount $1" "mount --bind / $1"; do $command 2>/dev/null && echo "done: $command"; done
exit 7
"""


@needs_root
def test_no_link_leads_a_program_in_the_vault_out_of_a_home(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for directory in (home, outside):
        directory.mkdir()
        (directory / "file").write_text(f"of {directory.name}")
    (home / "out").symlink_to(outside)
    (home / "up").symlink_to("../outside")
    command = vault.confine(["sh", "-c", READ, "sh", str(home)], [home, tmp_path / "missing"])
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.stdout.splitlines() == [
        "file: of home",
        "out/file: cat: out/file: Too many levels of symbolic links",
        "up/file: cat: up/file: Too many levels of symbolic links",
        "../outside/file: of outside",
        str(outside),
        "../outside",
    ]
    assert ended.returncode == 7
    assert (home / "out/file").read_text() == "of outside", "only the vault is closed to links"


@needs_root
def test_a_backup_without_the_right_to_mount_is_refused(school: Class, repository: str) -> None:
    script = 'exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$@"'
    command = ["sh", "-c", script, "sh", *classroom("backup", "create", repository)]
    variables = os.environ | {"CLASSROOM_SETTINGS": str(school.settings)} | PASSWORD
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
    assert ended.returncode == 1
    assert "homes cannot be mounted separately (Operation not permitted); run this as root with CAP_SYS" in ended.stderr
    assert school.done("list", repository, **PASSWORD) == []


def make_sparse(file: Path, size: int) -> None:
    file.touch()
    os.truncate(file, size)


@pytest.fixture
def sparse_place(place: list[str], tmp_path: Path) -> list[str]:
    """Return the target of a backup of files with holes."""
    make_sparse(tmp_path / "probe", 1 << 40)
    if (tmp_path / "probe").stat().st_blocks:
        pytest.skip("this file system stores holes")
    return place


@pytest.mark.attack(59)
def test_a_file_with_holes_costs_what_it_holds(school: Class, elsewhere: Class, sparse_place: list[str]) -> None:
    make_sparse(school.home("bob") / "huge [1] *.img", 10 << 40)
    make_sparse(school.home("bob") / "small.img", 64 << 20)
    began = time.monotonic()
    ended = school.run("create", "--json", *sparse_place, **PASSWORD)
    assert time.monotonic() - began < 20
    assert ended.returncode == 0, "a student does not make the backup fail"
    left_out = json.loads(ended.stdout)["left_out"]
    if sparse_place[0] == "--archive":
        assert left_out == [], "tar stores holes as holes"
    else:
        assert len(left_out) == 1
        assert "huge [1] *.img: left out, because 10T of it are holes" in left_out[0]
        elsewhere.done("restore", *sparse_place, **PASSWORD)
        assert {path.name for path in elsewhere.home("bob").iterdir()} == {"notes.txt", "small.img"}
        assert (elsewhere.home("ada") / "notes.txt").read_text() == "of ada"


@pytest.mark.attack(59)
def test_a_home_of_countless_files_with_holes_is_left_out_alone(
    school: Class, elsewhere: Class, repository: str
) -> None:
    for number in range(150):
        make_sparse(school.home("bob") / f"{number}.img", 1 << 36)
    (reason,) = school.done("create", repository, **PASSWORD)["left_out"]
    assert "classroom-home-bob: left out, because more than 100 files have 9.4T of holes" in reason
    assert elsewhere.done("restore", repository, **PASSWORD)["homes"] == ["classroom-home-ada"]


# The first look at the home is over when its directory is closed.
GROW = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
watch = libc.inotify_init()
libc.inotify_add_watch(watch, sys.argv[1].encode(), 0x10)  # IN_CLOSE_NOWRITE
print(flush=True)
os.read(watch, 4096)
os.truncate(sys.argv[1] + "/grows.img", 10 << 40)
"""


@needs_root
def test_a_file_that_gets_holes_during_the_backup_costs_its_own_home_alone(
    school: Class, elsewhere: Class, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse, "_MAX_SECONDS", 1)
    (school.home("bob") / "grows.img").touch()
    with subprocess.Popen([sys.executable, "-c", GROW, school.home("bob")], stdout=subprocess.PIPE) as growing:
        growing.stdout.readline()
        began = time.monotonic()
        (reason,) = school.done("create", repository, **PASSWORD)["left_out"]
        assert time.monotonic() - began < 20
    assert "classroom-home-bob: left out, because grows.img got 10T of holes during the backup" in reason
    assert elsewhere.done("restore", repository, **PASSWORD)["homes"] == ["classroom-home-ada"]
    assert subprocess.run(["pgrep", "-fx", f"restic --repo={repository}.*"], check=False).returncode == 1
