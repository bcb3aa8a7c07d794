"""Migration of the docker-compose project: passwords and notebooks are kept."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from behaviour.compose_project import BATTERY, COLOGNE, LONG, ComposeProject
from behaviour.deployment import student_image, working_directory
from behaviour.people import Visitor, api, is_waiting, page_messages
from behaviour.servers import Server
from behaviour.terminal import Done, Terminal
from support.waiting import wait_until

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(180)

MARK = uuid.uuid4().hex[:6]
ADA, MARY, UMLAUT, GRACE, EVE = f"ada{MARK}", f"mary-ann{MARK}", f"müller{MARK}", f"grace{MARK}", f"eve{MARK}"
PEOPLE = {ADA: BATTERY, MARY: BATTERY, UMLAUT: COLOGNE, GRACE: LONG, EVE: None}
NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
FILES = {
    f"{ADA}/first.ipynb": NOTEBOOK,
    f"{ADA}/data/points.csv": "x,y\n1,2\n",
    f"{ADA}/old.txt": "to be deleted",
    f"mary-2dann{MARK}/hers.txt": "in the folder that was mounted",
}


@pytest.fixture(scope="module")
def folder(server: Verb) -> Iterator[str]:
    """Return a directory that the server's engine can mount."""
    made = f"{working_directory(server)}/project-{MARK}"
    yield made
    server("exec", "rm", "-rf", made)


@pytest.fixture(scope="module")
def project(server: Verb, folder: str) -> ComposeProject:
    made = ComposeProject.make(server, folder, PEOPLE, FILES)
    # The project made this one, and mounted the other.
    server("exec", "mkdir", f"{folder}/data/student-notebooks/mary-ann{MARK}")
    server("exec", "ln", "-s", "/etc/shadow", f"{folder}/data/student-notebooks/{ADA}/secret")
    return made


@pytest.fixture(scope="module")
def planned(server: Verb, terminal: Terminal, project: ComposeProject) -> Done:
    """Return the output of the dry run."""
    before = state(server, terminal)
    done = terminal.run("adopt", project.folder, "--dry-run")
    assert state(server, terminal) == before, "a dry run changes nothing"
    return done


@pytest.fixture(scope="module")
def adopted(terminal: Terminal, project: ComposeProject, planned: Done, figure: Callable[[str], None]) -> Done:
    """Return the output of the migration."""
    assert planned.returncode == 0, planned.stderr
    before, begin = project.digest(), time.monotonic()
    done = terminal.run("adopt", project.folder)
    figure(f"classroom adopt of {len(PEOPLE)} accounts and 2 homes: {time.monotonic() - begin:.1f} s")
    assert project.digest() == before, "the project is only read"
    return done


@pytest.fixture(scope="module")
def ada(adopted: Done, url: str) -> Iterator[Server]:
    """Return a migrated student who is logged in, with a server."""
    assert adopted.returncode == 0, adopted.stderr
    student = enter(url, ADA)
    student.start()
    yield student
    if student.is_known:
        student.stop()
    student.visitor.web.close()


def enter(url: str, name: str, password: str | None = None) -> Server:
    visitor = Visitor(url)
    answer = visitor.sign_in(name, password or PEOPLE[name] or "")
    assert visitor.is_signed_in, page_messages(answer)
    return Server(visitor, name)


def state(server: Verb, terminal: Terminal) -> Any:
    return terminal.ask("users", "list"), sorted(server("docker", "volume", "ls", "--quiet").split())


def test_the_dry_run_prints_accounts_files_and_lines_for_the_settings(planned: Done) -> None:
    assert "Nothing was done" in planned.stdout
    assert f"{ADA} " in planned.stdout
    assert "secret -> /etc/shadow" in planned.stdout
    assert '"policy": "all"' in planned.stdout
    assert '"logLevel": "WARNING"' in planned.stdout
    assert f"keep them and log in as before: {MARY}" not in planned.stdout
    assert f"keep them and log in as before: {UMLAUT}" in planned.stdout


def test_a_student_logs_in_with_the_old_password_and_finds_the_notebooks(ada: Server) -> None:
    assert json.loads(ada.read("work/first.ipynb"))["nbformat"] == 4
    with ada.kernel() as kernel:
        assert kernel.ask("open('/home/jovyan/work/data/points.csv').read()") == "x,y\n1,2\n"
        assert kernel.ask("[(s := __import__('os').stat('work/data')).st_uid, s.st_gid]") == [1000, 100]
        kernel.run("open('work/first.ipynb', 'a').close(); open('work/new.txt', 'w').close()")
        # A link stays a link: nothing read its target for it.
        assert kernel.ask("__import__('os').readlink('work/secret')") == "/etc/shadow"
    assert ada.get("api/contents/Welcome.ipynb").status_code == 200, "the home has the welcome notebook"


@pytest.mark.parametrize("name", [MARY, UMLAUT, GRACE], ids=["mary-ann", "an odd name", "a password of 72 bytes"])
def test_every_approved_account_works(adopted: Done, url: str, name: str) -> None:
    assert adopted.returncode == 0
    enter(url, name).visitor.web.close()


def test_a_student_who_waited_for_approval_still_waits(adopted: Done, admin: Visitor, url: str) -> None:
    assert adopted.returncode == 0
    assert is_waiting(admin, EVE)
    visitor = Visitor(url)
    visitor.sign_in(EVE, BATTERY)
    assert not visitor.is_signed_in


def test_a_second_run_changes_nothing(terminal: Terminal, project: ComposeProject, ada: Server) -> None:
    assert ada.delete("api/contents/work/old.txt").status_code == 204
    again = terminal.run("adopt", project.folder)
    assert again.returncode == 0, again.stderr
    assert "Everything has been migrated." in again.stdout
    assert ada.get("api/contents/work/old.txt").status_code == 404, "what a student deletes stays deleted"


def test_a_run_that_is_killed_can_be_repeated(
    server: Verb, terminal: Terminal, url: str, project: ComposeProject
) -> None:
    """Kill a run while it fills a home: no file is partly copied, and the next run completes the home."""
    bob = f"bob{MARK}"
    server("exec", "rm", "-rf", project.folder)
    ComposeProject.make(server, project.folder, PEOPLE | {bob: LONG}, FILES | {f"{bob}/last.txt": "the last one"})
    server("exec", "truncate", "--size=400M", f"{project.folder}/data/student-notebooks/{bob}/big.bin")
    line = [*terminal.command, "exec", "classroom", "adopt", project.folder, "--settings", terminal.settings]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        wait_until(lambda: bool(filling_containers(server)), "a home is being filled", 60, 0.02)
        running.kill()
    assert "done" not in record(server, terminal, bob), "the run was killed"

    done = terminal.run("adopt", project.folder)
    assert done.returncode == 0, done.stderr
    assert filling_containers(server) == []
    home = f"classroom-home-{bob}"
    assert list_home(server, home) == ["Welcome.ipynb", "work"]
    assert list_home(server, home, "work") == ["big.bin", "last.txt"]
    enter(url, bob, LONG).visitor.web.close()

    # The record as a run leaves it that was killed right before its end.
    record(server, terminal, bob, forget="done")
    again = terminal.run("adopt", project.folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "done" in record(server, terminal, bob)


def test_a_running_project_is_not_copied(server: Verb, terminal: Terminal, project: ComposeProject) -> None:
    image = student_image(server)
    mount = f"{project.folder}/data/student-notebooks:/home"
    name = f"jupyterhub-{MARK}"
    waits = ["/opt/classroom/bin/python", "-c", "import time; time.sleep(600)"]
    server("docker", "run", "--detach", "--rm", "--name", name, "--network", "none", "-v", mount, image, *waits)
    try:
        refused = terminal.run("adopt", project.folder)
        planned = terminal.run("adopt", project.folder, "--dry-run")
    finally:
        server("docker", "rm", "--force", name)
    assert (refused.returncode, planned.returncode) == (1, 0)
    assert f"The docker-compose project still runs ({name})" in refused.stderr
    assert f"docker stop {name}" in planned.stdout


def test_an_instructors_program_cannot_migrate_accounts(admin: Visitor) -> None:
    """A caller who can set a hash can log in as anyone: only the operator may."""
    people = [{"name": f"mallory{MARK}", "password": "$2b$04$" + "." * 53, "authorized": True}]
    answer = api(admin, "POST", "classroom/adopt", {"people": people})
    assert answer.status_code == 403
    assert "operator's command" in answer.json()["message"]


def filling_containers(server: Verb) -> list[str]:
    """Return the containers that fill a home."""
    return server("docker", "ps", "--all", "--quiet", "--filter", "label=org.classroom.adopting").split()


def record(server: Verb, terminal: Terminal, name: str, forget: str = "") -> dict[str, str]:
    """Return the record of a home, without the key `forget`."""
    state = json.loads(server("exec", "cat", terminal.settings)).get("paths", {}).get("state", "/var/lib/classroom")
    program = (
        "import json, pathlib, sys; file = pathlib.Path(sys.argv[1]); found = json.loads(file.read_text()); "
        "home = found['homes'].get(sys.argv[2], {}); home.pop(sys.argv[3], None); file.write_text(json.dumps(found)); "
        "print(json.dumps(home))"
    )
    file, home = f"{state}/adopted.json", f"classroom-home-{name}"
    found: dict[str, str] = json.loads(server("exec", "python3", "-c", program, file, home, forget))
    return found


def list_home(server: Verb, home: str, below: str = ".") -> list[str]:
    """Return the names in a home that is a volume."""
    image = student_image(server)
    program = f"import os; print('\\n'.join(sorted(os.listdir({below!r}))))"
    run = ["docker", "run", "--rm", "--network", "none", "-v", f"{home}:/home/jovyan", "-w", "/home/jovyan", image]
    return server(*run, "/opt/classroom/bin/python", "-c", program).split()
