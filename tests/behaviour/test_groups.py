"""Groups: other images, limits, GPUs and shared folders for some students."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from behaviour import containers
from behaviour.deployment import read_settings, student_image
from behaviour.gpu_class import Class, refused, start
from behaviour.people import Visitor, api
from behaviour.servers import CodeError, Server
from behaviour.terminal import Terminal

Verb = Callable[..., str]

GB = 1024**3
IMAGE = "classroom-tests-vision:1"

pytestmark = pytest.mark.timeout(180)


@dataclass
class Course:
    """A group `vision` with one member by name, and the directory `faces` that its students can read."""

    room: Class
    member: Server
    place: str
    """The directory on the engine's machine, reached through the engine."""

    @property
    def server(self) -> Verb:
        return self.room.server

    def sh(self, script: str) -> str:
        """Run a script in the shared directory, as an instructor."""
        options = ("--rm", "--user=0", "--network=none", f"--volume={self.place}:/course", "--workdir=/course")
        return self.server("docker", "run", *options, IMAGE, "sh", "-euc", script)

    def limits(self, student: Server) -> tuple[int, float, int]:
        """Return memory, cores and number of GPUs, from the engine and `classroom gpus`."""
        host = containers.inspect(self.server, student.name)["HostConfig"]
        gpus = sum(student.name in holders for holders in self.room.holders().values())
        return host["Memory"], host["CpuQuota"] / host["CpuPeriod"], gpus

    def sees(self, student: Server) -> list[str]:
        """Return the names that the file browser shows in `shared`; empty if the folder does not exist."""
        student.open()
        answer = student.get("api/contents/shared")
        return [entry["name"] for entry in answer.json()["content"]] if answer.status_code == 200 else []


@pytest.fixture(scope="module")
def course(
    server: Verb, new_student: Callable[[], Server], module_reload: Callable[[dict[str, Any]], None]
) -> Iterator[Course]:
    """Return the group, which exists until the end of the file; servers of its students are stopped after each test."""
    settings = read_settings(server)
    image = student_image(server)
    server("docker", "tag", image, IMAGE)
    room = Class(server, settings["gpu"]["cdiDirs"][0], [], new_student)
    made = Course(room, room.student(), f"/mnt/classroom-tests-{uuid.uuid4().hex[:6]}")
    made.sh('mkdir -m 755 faces; echo "as given" > faces/list.csv')
    module_reload(
        {
            "gpu": {"policy": "exclusive", "cdiDirs": [room.cdi]},
            "images": {"vision": IMAGE},
            "groups": {
                "vision": {
                    "members": [made.member.name],
                    "image": "vision",
                    "memory": "3G",
                    "cpus": 1,
                    "gpu": {"perStudent": 2},
                    "shared": [f"{made.place}/faces"],
                }
            },
        }
    )
    yield made
    for student in room.students:
        if student.is_known:
            student.stop()
    made.sh("rm -r /course/*")
    server("docker", "rmi", "--force", IMAGE)


@pytest.fixture
def other(course: Course) -> Iterator[Server]:
    """Return a student without a group, whose server is stopped at the end."""
    made = course.room.student()
    yield made
    if made.is_known:
        made.stop()


def test_a_student_of_a_group_gets_its_settings_and_another_does_not(
    course: Course, other: Server, terminal: Terminal
) -> None:
    start(course.member)
    start(other)
    assert course.limits(course.member) == (3 * GB, 1, 2)
    assert course.limits(other) == (4 * GB, 2, 1)
    assert containers.inspect(course.server, course.member.name)["Config"]["Image"] == IMAGE
    assert containers.inspect(course.server, other.name)["Config"]["Image"] != IMAGE
    assert course.sees(course.member) == ["faces"]
    assert course.sees(other) == []
    with other.kernel() as kernel:
        assert not kernel.ask("__import__('os').path.lexists('/srv/shared')")
    found = {row["name"]: row for row in terminal.ask("servers", "list")}
    assert (found[course.member.name]["groups"], found[course.member.name]["image"]) == (["vision"], IMAGE)
    assert found[other.name]["groups"] == []
    assert "vision" in terminal.run("servers", "list").stdout
    assert [account["name"] for account in terminal.ask("users", "list", "--group", "vision")] == [course.member.name]


def test_a_shared_folder_is_read_and_not_written(course: Course) -> None:
    member = course.member
    assert member.read("shared/faces/list.csv") == "as given\n"
    assert member.get("api/contents/shared/faces/list.csv").json()["writable"] is False
    assert member.write("shared/faces/list.csv", "changed").status_code >= 400
    assert member.write("shared/faces/new.txt", "new").status_code >= 400
    with member.kernel() as kernel:
        assert kernel.run("print(open('shared/faces/list.csv').read(), end='')") == "as given\n"
        for attempt in (
            "open('/home/jovyan/shared/faces/list.csv', 'w')",
            "__import__('os').mkdir('/srv/shared/faces/new')",
            "__import__('os').mkdir('/srv/shared/new')",
            "__import__('os').chmod('/srv/shared/faces', 0o777)",
        ):
            with pytest.raises(CodeError, match=r"Read-only file system|Operation not permitted|Permission denied"):
                kernel.run(attempt)
    assert course.sh('cat faces/list.csv; echo "next week" > faces/more.csv') == "as given\n"
    assert member.read("shared/faces/more.csv") == "next week\n"


def test_a_change_of_group_takes_effect_at_the_next_start(
    course: Course, other: Server, terminal: Terminal, admin: Visitor
) -> None:
    start(other)
    terminal.write("course.csv", f"name,group\n{other.name},vision\n")
    assert terminal.run("users", "import", "course.csv").returncode == 0
    assert course.limits(other) == (4 * GB, 2, 1), "a running server does not change"
    other.stop()
    start(other)
    assert course.limits(other) == (3 * GB, 1, 2)
    assert course.sees(other) == ["faces"]
    answer = api(admin, "DELETE", "groups/vision/users", {"users": [other.name]})
    assert answer.status_code == 200, answer.text
    other.stop()
    start(other)
    assert course.limits(other) == (4 * GB, 2, 1)
    assert course.sees(other) == [], "the link is removed with the folder"


def test_a_student_who_needs_more_gpus_than_are_free_reads_so(course: Course, other: Server, admin: Visitor) -> None:
    late = course.room.student()
    start(other)
    assert api(admin, "POST", "groups/vision/users", {"users": [late.name]}).status_code == 200
    assert "Only 1 of the 2 GPUs that each student gets is free." in refused(late)
    assert api(admin, "DELETE", "groups/vision/users", {"users": [late.name]}).status_code == 200


def test_a_missing_shared_folder_is_reported_to_the_student_and_by_doctor(course: Course, terminal: Terminal) -> None:
    course.member.stop()
    course.sh("mv faces away")
    try:
        with pytest.raises(CodeError, match="The shared folder faces is not on this machine"):
            course.member.start()
        findings = {
            finding["about"]: finding for finding in json.loads(terminal.run("doctor", "--json").stdout)["findings"]
        }
        assert findings["shared folders"]["state"] == "wrong"
        missing = f"{course.place}/faces is not on this machine: no student of vision can start a server."
        assert missing in findings["shared folders"]["says"]
    finally:
        course.sh("mv away faces")
    course.member.start()
    assert course.sees(course.member) == ["faces"]
