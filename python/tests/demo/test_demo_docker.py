"""`make demo` with the private engine of the stack that the tests run in."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.student.common import cache_directory
from support.demo_user import STUDENTS, Demo, Person, copy_checkout, teacher_with_a_password
from support.network import free_port

SERVER = shlex.split(os.environ.get("CLASSROOM_SERVER", ""))

pytestmark = pytest.mark.skipif(
    "stack" not in SERVER, reason=os.environ.get("CLASSROOM_SKIP") or "not inside the stack: make test"
)


def docker(*arguments: str) -> str:
    done = subprocess.run([*SERVER, "docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    copy = copy_checkout(tmp_path / "checkout")
    yield copy
    prefix = (copy / ".demo" / "name").read_text().strip()
    for volume in docker("volume", "ls", "--quiet", "--filter", f"name={prefix}").split():
        docker("volume", "rm", volume)


def test_students_get_containers_that_are_gone_after_ctrl_c_and_homes_that_stay(checkout: Path) -> None:
    socket = Path(SERVER[-1]) / "run" / "docker.sock"
    # The wheels of the students' image are there since the stack's own was made; the demo reaches no index here.
    wheels = max(cache_directory().glob("wheels-*"), key=lambda path: path.stat().st_mtime)
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    variables = {"ENGINE": "docker", "DOCKER_HOST": f"unix://{socket}", **pip}
    demo = Demo(checkout, free_port(), **variables)
    demo.wait_until("Logs:", bound=180)
    prefix = (checkout / ".demo" / "name").read_text().strip()
    assert "leaves this machine's firewall" in demo.said

    student = Person(demo.found("Address"))
    student.sign_up("ada")
    teacher_with_a_password(demo).send("hub/authorize", name="ada", action="approve")
    student.sign_in("ada", STUDENTS)
    student.start_server("ada")
    (name,) = docker("ps", "--filter=label=org.classroom.user=ada", "--format={{.Names}}").split()
    assert name.startswith(f"{prefix}-")
    assert docker("exec", name, "ls").split() == ["Welcome.ipynb"]
    docker("exec", name, "touch", "mine")

    demo.press_ctrl_c()
    assert name not in docker("ps", "--all", "--format", "{{.Names}}").split()
    assert prefix not in docker("network", "ls", "--format", "{{.Name}}").split()

    again = Demo(checkout, free_port(), **variables)
    again.wait_until("Logs:")
    student = Person(again.found("Address"))
    student.sign_in("ada", STUDENTS)
    student.start_server("ada")
    assert "mine" in docker("exec", name, "ls").split()
    again.press_ctrl_c()
