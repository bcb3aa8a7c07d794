from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from classroom.backup.compare import first_difference


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Return a home with all kinds of files, and its copy."""
    home = tmp_path / "home"
    (home / "a/b").mkdir(parents=True)
    (home / "a/file").write_text("text", encoding="ascii")
    os.link(home / "a/file", home / "same")
    (home / "link").symlink_to("/etc/shadow")
    os.mkfifo(home / "pipe")
    (home / "program").write_text("#!/bin/sh\n", encoding="ascii")
    (home / "program").chmod(0o755)
    os.setxattr(home / "program", "user.note", b"mine")
    with (home / "sparse").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", "--no-target-directory", str(home), str(copy)], check=True)
    return home, copy


def test_a_copy_is_equal_and_a_file_of_a_terabyte_of_nothing_takes_no_time(homes: tuple[Path, Path]) -> None:
    home, copy = homes
    assert first_difference(home, copy) is None
    assert (copy / "sparse").stat().st_blocks < 10_000


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "content": (lambda home: write(home / "a/file", "tex2"), "a/file same"),
    "content of a sparse file": (lambda home: patch(home / "sparse", 1 << 39), "sparse"),
    "size": (lambda home: os.truncate(home / "sparse", 1 << 41), "sparse"),
    "mode": (lambda home: (home / "program").chmod(0o700), "program"),
    "time": (lambda home: os.utime(home / "a/b", (1, 1)), "a/b"),
    "attribute": (lambda home: os.removexattr(home / "program", "user.note"), "program"),
    "target of a link": (lambda home: relink(home / "link"), "link"),
    "hard link": (lambda home: unlink(home / "same"), "a/file same"),
    "kind": (lambda home: replace(home / "pipe"), "pipe"),
    "a file less": (lambda home: (home / "pipe").unlink(), "."),
    "a file more": (lambda home: (home / "a/b/new").touch(), "a/b"),
}


def write(path: Path, text: str) -> None:
    status = path.stat()
    path.write_text(text, encoding="ascii")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def patch(path: Path, at: int) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(path: Path) -> None:
    status = path.lstat()
    path.unlink()
    path.symlink_to("/etc/passwd")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def unlink(path: Path) -> None:
    shutil.copy2(path, path.with_name("other"))
    path.with_name("other").replace(path)


def replace(path: Path) -> None:
    path.unlink()
    path.touch()


@pytest.mark.skipif(sys.platform != "linux", reason="attributes and holes are Linux's")
@pytest.mark.parametrize("change", CHANGES)
def test_each_difference_is_found(homes: tuple[Path, Path], change: str) -> None:
    home, copy = homes
    times = {path: path.lstat() for path in (copy, copy / "a", copy / "a/b")}
    act, names = CHANGES[change]
    act(copy)
    if change != "time":
        for path, status in times.items():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert str(first_difference(home, copy)) in names.split()
