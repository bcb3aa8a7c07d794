"""Builder of the students' image: its decisions without an engine."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stack.common import REPOSITORY
from student_image import build, common, debian, inside

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = REPOSITORY / "images/debian"
DEB822 = """# a comment with URIs: http://wrong.example/
Types: deb
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
"""
DEFAULT = None


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        pytest.param("debian.sources", DEB822, "https://mirror.example/debian", id="deb822"),
        pytest.param(
            "a.list", "deb [arch=amd64] http://mirror.example/d/ trixie main\n", "http://mirror.example/d", id="list"
        ),
        pytest.param("a.list", "# deb http://mirror.example/d trixie main\n", DEFAULT, id="commented out"),
        pytest.param("u.list", "deb http://mirror.example/ubuntu noble main universe\n", DEFAULT, id="Ubuntu"),
        pytest.param(
            "s.list", "deb http://mirror.example/security bookworm-security main\n", DEFAULT, id="security only"
        ),
        pytest.param("a.list.save", "deb http://mirror.example/d trixie main\n", DEFAULT, id="a saved file"),
    ],
)
def test_the_mirror_is_the_one_of_the_machines_apt(tmp_path: Path, name: str, text: str, found: str | None) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert debian.mirror(tmp_path) == found


def test_the_lock_is_read_with_the_markers_of_the_images_python() -> None:
    lock = (
        "# a comment\n"
        "here==1.0 ; python_full_version >= '3.9' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "elsewhere==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:cc\n"
        "always==3.0 \\\n    --hash=sha256:dd\n"
        "    # via here\n"
    )
    found = inside.tags(lock)
    assert found["requirements"] == ("here==1.0 --hash=sha256:aa --hash=sha256:bb\nalways==3.0 --hash=sha256:dd\n")
    platforms = found["platforms"]
    assert isinstance(platforms, list)
    assert "any" not in platforms


def test_the_hash_of_the_content_changes_only_with_the_image(tmp_path: Path) -> None:
    (tmp_path / "classroom/student").mkdir(parents=True)
    (tmp_path / "classroom/__init__.py").touch()
    server = tmp_path / "classroom/student/server.py"
    server.write_text("one = 1\n")
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    plan = build.Plan("image", None, lock=lock, source=tmp_path / "classroom", student_files=tmp_path / "absent")
    system, environment, image = plan.keys
    (tmp_path / "classroom/errors.py").write_text("the hub's side\n")
    (tmp_path / "classroom/student/__pycache__").mkdir()
    (tmp_path / "classroom/student/__pycache__/server.pyc").touch()
    assert plan.keys == (system, environment, image)
    server.write_text("one = 2\n")
    assert plan.keys[:2] == (system, environment)
    assert plan.keys[2] != image
    lock.write_text("a==2\n")
    assert plan.keys[0] == system
    assert plan.keys[1] != environment
    assert build.Plan("image", "debian:trixie", lock=lock).keys[0] != system


@pytest.mark.skipif(debian.missing() is not None, reason=str(debian.missing()))
def test_an_incomplete_debian_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "mirror", lambda: "http://127.0.0.1:9/debian")
    (tmp_path / "cache").mkdir()
    with pytest.raises(common.ImageError, match="debootstrap could not make Debian trixie"):
        debian.make_root(tmp_path / "root", ["less"])
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("host", "message"),
    [
        pytest.param(
            "unix:///nowhere/docker.sock", "no Docker engine answers at unix:///nowhere/docker.sock", id="away"
        ),
        pytest.param("ssh://host", "write the engine's address as unix:///path or tcp://address:port", id="unknown"),
    ],
)
def test_an_engine_that_cannot_be_used_is_one_message_and_status_1(host: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "image", "--host", host], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
