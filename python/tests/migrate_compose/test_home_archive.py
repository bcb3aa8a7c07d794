from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose.home_archive import inspect_folder, tar_stream

LATIN = os.fsdecode(b"work/latin-\xfc.txt")


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """Return a student's directory with every kind of entry."""
    folder = tmp_path / "ada"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "ü.txt").write_text("umlaut")
    os.utime(folder / "deep" / "er" / "ü.txt", (1_700_000_000, 1_700_000_000))
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o4755)
    (folder / os.fsdecode(b"latin-\xfc.txt")).write_text("bytes")
    (folder / ("x" * 120)).mkdir()
    (folder / "empty").write_text("")
    (folder / "inside").symlink_to("deep/er/ü.txt")
    (folder / "deep" / "up").symlink_to("../run.sh")
    (folder / "absolute").symlink_to("/home/jovyan/work/run.sh")
    (folder / "shadow").symlink_to("/etc/shadow")
    (folder / "deep" / "out").symlink_to("../../grace")
    os.mkfifo(folder / "fifo")
    return folder


def members(folder: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(folder, "work"))), errors="surrogateescape") as opened:
        return {member.name: member for member in opened}


def test_an_archive_holds_all_files_owned_by_the_student(student: Path) -> None:
    archived = members(student)
    assert set(archived) == {
        "work", "work/deep", "work/deep/er", "work/deep/er/ü.txt", "work/deep/out", "work/deep/up", "work/run.sh",
        "work/empty", "work/inside", "work/absolute", "work/shadow", LATIN,
        "work/" + "x" * 120,
    }  # fmt: skip
    assert {(member.uid, member.gid) for member in archived.values()} == {(1000, 100)}
    assert archived["work/deep/er/ü.txt"].mtime == 1_700_000_000
    assert archived["work/run.sh"].mode == 0o755, "the set-user-ID bit is removed"
    assert archived["work/shadow"].issym()
    assert archived["work/shadow"].linkname == "/etc/shadow"


def test_contents_are_the_same_to_the_byte(tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    contents = {str(size): os.urandom(size) for size in (0, 1, 511, 512, 513, (1 << 20) + 7)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream(folder, "work")))) as opened:
        for name, content in contents.items():
            member = opened.extractfile(f"work/{name}")
            assert member is not None
            assert member.read() == content


def test_entries_that_cannot_be_archived_are_reported(student: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(student / "socket"))
        summary = inspect_folder(student)
    assert (summary.files, summary.size) == (4, 6 + 9 + 5)
    notes = "\n".join(summary.notes)
    assert "fifo is not a file, folder or link" in notes
    assert "socket is not a file, folder or link" in notes
    assert "deep/out -> ../../grace, shadow -> /etc/shadow" in notes
    assert "absolute" not in notes
    assert "inside" not in notes


def test_very_deep_directories_do_not_stop_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "a.txt").write_text("found")
    os.chdir(folder)
    for _ in range(250):
        os.mkdir("d")  # noqa: PTH102 - the whole path is longer than the system takes
        os.chdir("d")
    os.chdir("/")
    assert any("more than 200 folders deep" in note for note in inspect_folder(folder).notes)
    assert "work/a.txt" in members(folder)


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "log").write_bytes(bytes(3 << 20))
    stream = tar_stream(folder, "work")
    for _ in range(3):
        next(stream)
    os.truncate(folder / "log", 0)
    with pytest.raises(ClassroomError, match="log: changed while it was read; stop the docker-compose project"):
        list(stream)


def test_a_link_instead_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ada").symlink_to("/etc")
    with pytest.raises(ClassroomError, match="cannot be opened"):
        inspect_folder(tmp_path / "ada")
