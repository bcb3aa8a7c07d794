"""Images of images/*.nix, built and used: a student can work in them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from behaviour.deployment import read_settings
from nix.evaluation import REPOSITORY, build, slow
from nix.image_build import configuration, layers, stream

# Tests of a student's work and rights; the other tests do not depend on the image.
SUITE = [
    f"tests/behaviour/test_{name}.py"
    for name in ("code", "files", "full_home", "isolation_container", "limits", "packages")
]

# The image built here has no compiler.
SUITE += ["--deselect=tests/behaviour/test_isolation_container.py::test_a_program_with_the_setuid_bit_gains_nothing"]

pytestmark = [slow, pytest.mark.usefixtures("debian")]

Verb = Callable[..., str]


@pytest.fixture(scope="module", params=["hubImage", "studentImageCpu"])
def archive(request: pytest.FixtureRequest, images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return an image as `docker load` reads it."""
    file = tmp_path_factory.mktemp("image") / f"{request.param}.tar"
    stream(f"{images}.{request.param}", file)
    yield file
    file.unlink()


def test_the_same_input_makes_the_same_bytes(archive: Path, images: str) -> None:
    with archive.open("rb") as file:
        first = hashlib.file_digest(file, "sha256").hexdigest()
    # Build again: --check refuses a different result.
    again = f"{images}.{archive.stem}"
    subprocess.run(
        ["nix-build", "--no-out-link", "--check", "--expr", again], check=True, capture_output=True,
        env={**os.environ, "NIX_CONFIG": "build-users-group =\nsubstituters =\nsandbox = false\n"},
    )  # fmt: skip
    with subprocess.Popen([build(again)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as stream:
        assert stream.stdout
        assert hashlib.file_digest(stream.stdout, "sha256").hexdigest() == first  # type: ignore[arg-type]


def test_an_image_has_few_enough_layers_and_no_root(archive: Path) -> None:
    _, config, count = configuration(archive)
    assert count < 127
    assert config["config"]["User"] in {"1000:100", "990:990"}
    assert config["created"].startswith("1970-01-01")
    assert config["config"]["Labels"]["org.classroom.keep"] in {"hub", "student"}


def test_a_package_of_a_course_changes_few_layers(images: str, tmp_path: Path) -> None:
    """Compare the layers: an engine or registry with one image loads only those above the common ones."""
    plain, course = tmp_path / "plain.tar", tmp_path / "course.tar"
    stream(f"{images}.plainImage", plain)
    stream(f"{images}.courseImage", course)
    has, wants = layers(plain), layers(course)
    same = {digest for digest, other in zip(has, wants, strict=False) if digest == other}
    moved = sorted(size for digest, size in wants.items() if digest not in same)
    print(f"moved: {[size >> 10 for size in moved]} of {sum(wants.values()) >> 10} KiB")  # noqa: T201 - shown with -rP
    *others, package = moved
    assert package > 50 << 20, "pandas"
    assert sum(others) < 10 << 20


@pytest.fixture
def loaded(archive: Path, server: Verb) -> Iterator[str]:
    server("docker", "load", stdin=archive)  # type: ignore[call-arg]
    reference = configuration(archive)[0]
    yield reference
    server("docker", "image", "rm", "--force", reference)


def test_an_image_works_below_a_read_only_root(archive: Path, loaded: str, server: Verb, tmp_path: Path) -> None:
    run = ["docker", "run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL", "--tmpfs=/tmp:rw,exec"]
    if archive.stem == "hubImage":
        settings = tmp_path / "settings.json"
        settings.write_text('{"admins": ["teacher"]}')
        output = server(*run, "--interactive", loaded, "schema")
        assert json.loads(output)["title"] == "Settings"
        return
    program = (
        "import os, ssl, sys, time, zoneinfo, pwd, json; print(json.dumps([sys.executable, sys.prefix, os.getuid(), "
        "os.getgid(), pwd.getpwuid(os.getuid()).pw_dir, len(ssl.create_default_context().get_ca_certs()) > 50, "
        "zoneinfo.ZoneInfo('Europe/Berlin').key, 'ä'.encode().decode()]))"
    )
    assert json.loads(server(*run, loaded, "/opt/classroom/bin/python", "-c", program)) == [
        "/opt/classroom/bin/python", "/opt/classroom", 1000, 100, "/home/jovyan", True, "Europe/Berlin", "ä",
    ]  # fmt: skip
    listed = server(*run, loaded, "stat", "-c", "%u:%g %F", "/home/jovyan", "/home/jovyan/Welcome.ipynb")
    assert listed.splitlines() == ["1000:100 directory", "1000:100 regular file"]
    assert server(*run, loaded, "python", "-c", "import classroom.student; import jupyterlab").strip() == ""
    # The hub's modules are not in the image.
    assert "no" in server(
        *run, loaded, "sh", "-c", "python -c 'import classroom.hub.app' 2>/dev/null && echo yes || echo no"
    )


def test_a_student_works_in_the_image(archive: Path, loaded: str, server: Verb) -> None:
    if archive.stem == "hubImage":
        pytest.skip("for the other image")
    settings = read_settings(server)
    server("reload", json.dumps({"student": {"image": loaded}}))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-c", "python/pyproject.toml", "--rootdir=.", "-q", *SUITE],
            check=False, capture_output=True, text=True, cwd=REPOSITORY,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
    finally:
        server("reload", json.dumps({"student": {"image": settings.get("student", {}).get("image")}}))
