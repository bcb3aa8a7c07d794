"""Students and the simulated GPUs of the machine, for the GPU tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from behaviour.deployment import read_settings
from behaviour.people import Visitor
from behaviour.servers import Server, enrol

Verb = Callable[..., str]

CHANGED = (
    "devices", "perStudent", "studentsPerDevice", "offer", "preferLeastUsed", "longestLease", "idle", "samples",
    "notice", "mps",
)  # fmt: skip
NONE: dict[str, Any] = dict.fromkeys(CHANGED) | {"policy": "none"}


@dataclass
class Class:
    """Students of a class and the machine's GPUs."""

    server: Verb
    cdi: str
    enrolled: list[Server]
    """Students with an account, by the time one is needed; a test finds all of them without a server."""
    enrol: Callable[[], Server]
    students: list[Server] = field(default_factory=list)
    groups: dict[str, Any] = field(default_factory=dict)
    """Those of the settings that tests have made."""

    def rules(self, policy: str, groups: dict[str, Any] | None = None, **more: Any) -> None:
        """Change the GPU settings, as an operator does."""
        patch: dict[str, Any] = {"gpu": NONE | {"policy": policy, "cdiDirs": [self.cdi]} | more}
        if self.groups or groups:
            patch["groups"] = dict.fromkeys(self.groups) | (groups or {})
        self.groups = groups or {}
        self.server("reload", json.dumps(patch))

    def student(self) -> Server:
        """Return another student, logged in."""
        if len(self.students) == len(self.enrolled):
            self.enrolled.append(self.enrol())
        self.students.append(self.enrolled[len(self.students)])
        return self.students[-1]

    def sees(self, student: Server) -> str:
        """Return the GPUs that a process in the student's container sees."""
        container = self.server("docker", "ps", "--quiet", "--filter", f"label=org.classroom.user={student.name}")
        # What the engine gave to the first process: `docker exec` has an environment of its own.
        text = self.server("docker", "exec", container.strip(), "cat", "/proc/1/environ")
        return dict(part.partition("=")[::2] for part in text.split("\0")).get("FAKE_GPU", "none")

    def started(self) -> tuple[Server, str]:
        """Return another student with a running server, and the GPUs that it sees."""
        student = self.student()
        start(student)
        return student, self.sees(student)

    def holders(self) -> dict[str, list[str]]:
        """Return the students of each device, from `classroom gpus`."""
        found: dict[str, list[str]] = {}
        for row in self.report()["rows"]:
            found.setdefault(row["device"], []).extend([row["student"]] if row["student"] else [])
        return found

    def report(self) -> Any:
        """Return the document of `classroom gpus --json`."""
        text = self.server("exec", "classroom", "gpus", "--json", "--settings", self.server("settings").strip())
        return json.loads(text)

    def cancel_reservations(self) -> None:
        """Cancel what a test that failed has left."""
        settings = ("--settings", self.server("settings").strip())
        listed = json.loads(self.server("exec", "classroom", "gpus", "reservations", "--json", *settings))
        if numbers := [str(reservation["id"]) for reservation in listed]:
            self.server("exec", "classroom", "gpus", "cancel", *numbers, *settings)

    def database(self, script: str, *arguments: str) -> str:
        """Run a script with the path of the hub's database and these arguments, and return its output."""
        state = json.loads(self.server("exec", "cat", self.server("settings").strip()))["paths"]["state"]
        return self.server("exec", "python3", "-c", script, f"{state}/jupyterhub.sqlite", *arguments).strip()

    def write(self, spec: dict[str, Any] | str, name: str = "nvidia.json") -> None:
        text = spec if isinstance(spec, str) else json.dumps(spec)
        self.server("exec", "sh", "-c", 'printf %s "$1" > "$2"', "sh", text, f"{self.cdi}/{name}")

    def remove(self, name: str) -> None:
        self.server("exec", "rm", "-f", f"{self.cdi}/{name}")


@pytest.fixture(scope="module")
def afternoon(url: str, admin: Visitor, server: Verb) -> Iterator[Class]:
    """Return the class that all tests share; its students sign up once. Its GPU rules are removed at the end."""
    settings = read_settings(server)
    found = Class(server, settings["gpu"]["cdiDirs"][0], [], partial(enrol, url, admin))
    yield found
    found.rules("none")
    for student in found.enrolled:
        student.visitor.web.close()


@pytest.fixture
def room(afternoon: Class) -> Iterator[Class]:
    """Return the class. At the end of a test all servers are stopped, and machine and reservations are as before."""
    before = afternoon.server("exec", "cat", f"{afternoon.cdi}/nvidia.json")
    afternoon.students = []
    yield afternoon
    afternoon.write(before)
    afternoon.server("start", "hub")
    afternoon.cancel_reservations()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stop, afternoon.students))


def start(student: Server) -> None:
    """Press the start button, without opening JupyterLab."""
    answer = student.visitor.get(f"/hub/spawn/{student.name}", follow=False)
    assert answer.status_code == 302, answer.text
    student.wait_ready()


def stop(student: Server) -> None:
    """Stop the student's server and leave the queue."""
    student.visitor.post(f"/hub/gpu-line/{student.name}", {"action": "leave"})
    if student.is_known:
        student.stop()


def refused(student: Server) -> str:
    """Press the start button; return the page that explains why no server starts."""
    answer = student.visitor.get(f"/hub/spawn/{student.name}")
    assert "/hub/spawn" in answer.url.path, answer.url
    assert not student.is_known
    return answer.text


def start_without(student: Server) -> None:
    """Press the button of that page that starts a server without a GPU."""
    answer = student.visitor.post(f"/hub/spawn/{student.name}", {"gpu": "no"}, follow=False)
    assert answer.status_code == 302, answer.text
    student.wait_ready()
    student.open()


def devices(*names: str) -> dict[str, Any]:
    listed = [{"name": name, "containerEdits": {"env": [f"FAKE_GPU={name}"]}} for name in names]
    return {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": listed}
