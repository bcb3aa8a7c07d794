"""Builder of the students' image: its decisions without an engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from images.student import build, common, debian, tags
from stack.common import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """# a comment with URIs: http://wrong.example/
Types: deb
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
"""
DEFAULT = None


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
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
    sources = [f"-oDir::Etc::sourcelist={tmp_path}/sources.list", f"-oDir::Etc::sourceparts={tmp_path}/sources.list.d"]
    assert debian.mirror(*sources) == found


def test_the_lock_is_read_with_the_markers_of_the_images_python() -> None:
    lock = (
        "# a comment\n"
        "here==1.0 ; python_full_version >= '3.9' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "elsewhere==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:cc\n"
        "always==3.0 \\\n    --hash=sha256:dd\n"
        "    # via here\n"
    )
    found = tags.tags(lock)
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
    plan = build.Plan("image", None, lock=lock, source=tmp_path / "classroom")
    before = plan.key
    (tmp_path / "classroom/errors.py").write_text("the hub's side\n")
    (tmp_path / "classroom/student/__pycache__").mkdir()
    (tmp_path / "classroom/student/__pycache__/server.pyc").touch()
    assert plan.key == before
    server.write_text("one = 2\n")
    other_package = plan.key
    lock.write_text("a==2\n")
    other_lock = plan.key
    other_base = replace(plan, base_image="debian:trixie").key
    assert len({before, other_package, other_lock, other_base}) == 4


@pytest.mark.skipif(debian.missing() is not None, reason=str(debian.missing()))
def test_an_incomplete_debian_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "mirror", lambda: "http://127.0.0.1:9/debian")
    (tmp_path / "cache").mkdir()
    with pytest.raises(common.ImageError, match="debootstrap could not make Debian trixie"):
        debian.make_root(tmp_path / "root", ["less"])
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["--docker", "sh -c 'echo cannot connect >&2; exit 1'", "--host", "unix:///nowhere/docker.sock"],
            "no Docker engine answers at unix:///nowhere/docker.sock: cannot connect",
            id="no engine",
        ),
        pytest.param(
            ["--docker", "no-such-docker"],
            "no-such-docker: No such file or directory. Docker's client `docker` is not installed",
            id="no client",
        ),
    ],
)
def test_an_engine_that_cannot_be_used_is_one_message_and_status_1(options: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "images.student", "image", *options],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_dockerfile_names_the_version_of_the_project() -> None:
    dockerfile = (REPOSITORY / "images/student/Dockerfile").read_text()
    assert f"ARG VERSION={build.Plan('image', None).version}\n" in dockerfile


def test_a_build_context_holds_the_students_part_and_nothing_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "numpy-2-py3-none-any.whl").touch()
    names = build.Plan("image", None).context(tmp_path)
    assert "images/student/wheels/numpy-2-py3-none-any.whl" in names
    package = {name.removeprefix("python/src/classroom/") for name in names if name.startswith("python/src/")}
    assert {name for name in package if not name.startswith("student/")} == {"__init__.py"}
    assert "student/files/Welcome.ipynb" in package
