"""Backups and restores of homes whose owners change them meanwhile, to get or to spoil the files of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backup.backup_class import PASSWORD, Class, tree
from classroom.backup import vault
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


@needs_root
def test_a_backup_of_one_home_never_contains_the_files_of_another(
    school: Class, elsewhere: Class, place: list[str]
) -> None:
    (school.home("ada") / "exam.txt").write_text("secret of ada")
    (school.home("ada") / "exam.txt").chmod(0o600)
    prepare_folders(school.home("bob"), school.home("ada"))
    with exchanging(school.home("bob")):
        for _ in range(3):
            school.run("create", "--overwrite", *place, **PASSWORD)
            elsewhere.done("restore", "--overwrite", *place, **PASSWORD)
            stored = {file.read_text() for file in files_named(elsewhere.home("bob"), "exam.txt")}
            assert "secret of ada" not in stored
    assert (elsewhere.home("ada") / "exam.txt").read_text() == "secret of ada"


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
