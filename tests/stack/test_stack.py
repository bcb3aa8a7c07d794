"""The stack: tests of its own promises, and of its cleanup."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from images.student import build
from images.student.common import cache_directory
from images.student.docker import Docker
from stack import missing, world
from stack.common import PYTHON_PATH, REPOSITORY
from stack.deployment import merge
from stack.host import Stack, stack
from stack.layout import Layout
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_stack = pytest.mark.skipif(bool(missing()), reason="; ".join(missing()))
IMAGE = "classroom-student:latest"


def ctl(made: Stack, *words: str) -> str:
    command = [sys.executable, "-m", "stack", "ctl", str(made.layout.directory), *words]
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def engine() -> Iterator[Stack]:
    with stack(parts=["engine"]) as made:
        yield made


@pytest.fixture
def student(engine: Stack) -> Iterator[str]:
    name = f"student-{os.urandom(3).hex()}"
    server = ["/opt/classroom/bin/python", "-m", "http.server", "8888", "--directory", "/opt"]
    ctl(engine, "docker", "run", "-d", "--name", name, IMAGE, *server)
    yield name
    ctl(engine, "docker", "rm", "-f", name)


@needs_stack
def test_a_container_outlives_a_restart_and_a_crash_of_the_engine(engine: Stack, student: str) -> None:
    def started() -> str:
        return ctl(engine, "docker", "inspect", "-f", "{{.State.StartedAt}} {{.State.Running}}", student)

    before = started()
    assert before.split()[1] == "true"
    ctl(engine, "restart", "engine")
    assert started() == before
    ctl(engine, "kill", "engine")
    assert "engine down" in ctl(engine, "status")
    ctl(engine, "start", "engine")
    assert started() == before
    assert ctl(engine, "docker", "exec", student, "id", "-u").strip() == "1000"


@needs_stack
@pytest.mark.parametrize(("device", "seen"), [("2", "2"), ("all", "0,1,2,3")])
def test_a_cdi_device_is_visible_in_the_container(engine: Stack, device: str, seen: str) -> None:
    arguments = ["docker", "run", "--rm", "--device", f"nvidia.com/gpu={device}", IMAGE, "printenv", "FAKE_GPU"]
    assert ctl(engine, *arguments).strip() == seen


@needs_stack
@pytest.mark.parametrize(
    ("limit", "program", "outcome"),
    [
        pytest.param(
            ["--pids-limit=64"],
            "import os\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: os.read(os.pipe()[0], 1)\n    n += 1\n"
            "except BlockingIOError: pass\nprint(n)",
            lambda output, _: 50 < int(output) < 64,
            id="processes",
        ),
        pytest.param(
            ["--memory=100m", "--memory-swap=100m"],
            "x = bytearray(300 << 20)",
            lambda _, status: status == 137,
            id="memory",
        ),
        pytest.param(
            ["--shm-size=8m"],
            "try:\n  open('/dev/shm/x', 'wb').write(bytes(16 << 20))\nexcept OSError as e: print(e.errno)",
            lambda output, _: output.strip() == "28",
            id="shared memory",
        ),
        pytest.param(
            ["--cpus=0.2"],
            "import time\nb = time.monotonic(); c = time.process_time()\nwhile time.monotonic() - b < 1: pass\n"
            "print((time.process_time() - c) / (time.monotonic() - b))",
            lambda output, _: float(output) < 0.5,
            id="processor",
        ),
    ],
)
def test_limits_hold(engine: Stack, limit: list[str], program: str, outcome: object) -> None:
    arguments = ["docker", "run", "--rm", "--init", *limit, IMAGE, "python", "-c", program]
    command = [sys.executable, "-m", "stack", "ctl", str(engine.layout.directory), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=REPOSITORY / "tests")
    assert callable(outcome)
    assert outcome(done.stdout, done.returncode), (done.returncode, done.stdout, done.stderr)


@needs_stack
def test_the_image_is_made_on_a_base_image_too_and_only_once(
    engine: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctl(engine, "docker", "tag", "classroom-student-base", "somebodys-debian:1")
    # One package of the lock is enough; its wheel exists since the build of the stack's image.
    lock = (REPOSITORY / "python/locks/student.txt").read_text()
    found = re.search(r"^pip==.*\\\n(?:    --hash=.*\n)+", lock, re.MULTILINE)
    assert found
    (tmp_path / "lock.txt").write_text(found[0])
    wheels = max(cache_directory().glob("wheels-*"), key=lambda path: path.stat().st_mtime)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = build.Plan("on-a-base:1", "somebodys-debian:1", lock=tmp_path / "lock.txt")
    monkeypatch.setenv("PYTHONPATH", PYTHON_PATH)
    docker = Docker(engine.docker)
    steps: list[str] = []
    assert build.build(plan, docker, lambda number, count, _: steps.append(f"{number}/{count}"))
    assert steps == ["2/6", "3/6", "4/6", "5/6", "6/6"]
    assert not build.build(plan, docker, lambda *_: None)
    # A changed package needs no other environment.
    environment = ctl(engine, "docker", "images", "--quiet", "classroom-student-environment")
    source = shutil.copytree(plan.source, tmp_path / "source")
    (source / "student/extra.py").touch()
    assert build.build(replace(plan, source=source), docker, lambda *_: None)
    assert ctl(engine, "docker", "images", "--quiet", "classroom-student-environment") == environment
    run_it = ["docker", "run", "--rm", "--read-only", "--network=none", "on-a-base:1"]
    assert ctl(engine, *run_it, "python", "-I", "-c", "import classroom.student; print('there')") == "there\n"
    assert ctl(engine, *run_it, "id").startswith("uid=1000(jovyan) gid=100(users)")


@needs_stack
def test_a_course_extends_the_image_by_a_dockerfile(
    engine: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content = world.wheel("classroom-widget", "1.0")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nUSER root\nCOPY {name} /tmp/\nRUN pip install --no-index /tmp/{name}\nUSER 1000:100\n"
    )
    monkeypatch.setenv("PYTHONPATH", PYTHON_PATH)
    context = {path.name: path for path in tmp_path.iterdir()}
    Docker(engine.docker).build(context, "--network=none", "--tag=course")
    run_it = ["docker", "run", "--rm", "--network=none", "course"]
    program = "import classroom_widget; print(classroom_widget.__file__)"
    place = ctl(engine, *run_it, "python", "-c", program)
    assert re.fullmatch(r"/opt/classroom/lib/python3\.\d+/site-packages/classroom_widget\.py\n", place)
    assert ctl(engine, *run_it, "classroom-widget") == "the script runs\n"
    extensions = ctl(engine, *run_it, "sh", "-c", "(jupyter labextension list; jupyter server extension list) 2>&1")
    assert "classroom-widget v1.0.0" in extensions
    assert "classroom_widget enabled" in re.sub(r"\x1b\[\d*m", "", extensions)


@needs_stack
def test_a_command_on_the_server_has_the_callers_streams_and_status(engine: Stack) -> None:
    command = [sys.executable, "-m", "stack", "ctl", str(engine.layout.directory), "exec", "sh", "-c", "cat; exit 7"]
    done = subprocess.run(command, check=False, capture_output=True, input=b"a\0b", cwd=REPOSITORY / "tests")
    assert (done.returncode, done.stdout) == (7, b"a\0b")


@needs_stack
def test_two_stacks_run_at_once(engine: Stack) -> None:
    with stack(parts=["engine"]) as other:
        ctl(other, "docker", "volume", "create", "only-there")
        assert "only-there" in ctl(other, "docker", "volume", "ls")
        assert "only-there" not in ctl(engine, "docker", "volume", "ls")


def _left(layout: Layout) -> list[str]:
    cgroups = subprocess.run(
        ["find", "/sys/fs/cgroup", "-name", layout.cgroup[1:]], check=False, capture_output=True, text=True
    ).stdout.split()
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if layout.name in line]
    processes = subprocess.run(["pgrep", "-f", f"stack.holder {layout.directory}"], check=False, capture_output=True)
    files = [str(path) for path in (layout.directory, layout.engine_data) if path.exists()]
    return [*cgroups, *mounts, *processes.stdout.decode().split(), *files]


@needs_stack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_stopped_run_is_removed_completely(number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH, "PYTHONUNBUFFERED": "1"}
    command = f"$CLASSROOM_SERVER docker run -d {IMAGE} sleep 1000; echo ${{CLASSROOM_SERVER##* }}; sleep 1000"
    process = subprocess.Popen(
        [sys.executable, "-m", "stack", "run", "--parts", "engine", "--", "sh", "-c", command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    layout = Layout(Path(process.stdout.readline().strip()))
    assert _left(layout)
    # A terminal sends Ctrl-C to the process group; a kill ends one process.
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    process.wait(30)
    wait_until(lambda: not _left(layout), f"nothing is left of the stack: {_left(layout)}", 30)


@needs_stack
def test_a_stack_that_cannot_start_gives_the_reason_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Layout.all()
    monkeypatch.setattr("stack.deployment.daemon", lambda _: {"no-such-directive": True})
    with pytest.raises(Exception, match="no-such-directive"), stack(parts=["engine"]):
        pass
    assert Layout.all() == before


@needs_stack
def test_a_kept_stack_runs_until_down() -> None:
    begin = time.monotonic()
    with stack(parts=["engine"], keep=True) as made:
        pass
    assert "engine up" in ctl(made, "status")
    Stack(made.layout, None).down()
    assert not _left(made.layout)
    assert time.monotonic() - begin < 60


def test_a_settings_patch_is_merged_as_in_rfc_7386() -> None:
    target = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merge(target, {"a": {"b": None, "e": {"f": None, "g": 3}}, "d": [2]}) == {
        "a": {"c": 2, "e": {"g": 3}},
        "d": [2],
    }


def test_the_outside_name_server_answers_every_name_with_the_internet_host() -> None:
    question = b"\3any\4test\0\0\1\0\1"
    answer = world.dns_answer(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question)
    assert answer[:2] == b"\x12\x34"
    assert answer.endswith(bytes([203, 0, 113, 10]))


def test_where_the_stack_cannot_run_the_command_gets_the_reasons(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stack", "run", "--", "/bin/sh", "-c", 'echo "$CLASSROOM_SKIP"; exit 3']
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": PYTHON_PATH}
    program = (
        "import runpy, stack.common; stack.common.SYSTEM_PATH = ''; runpy.run_module('stack', run_name='__main__')"
    )
    done = subprocess.run(
        [command[0], "-c", program, *command[3:]], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 3
    assert "debootstrap is not installed (apt-get install debootstrap)" in done.stdout
    assert "no stack here: debootstrap is not installed" in done.stderr
