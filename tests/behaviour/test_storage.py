"""Homes as directories, which a root helper creates for the hub; each student reaches only their own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from behaviour.compose_project import BATTERY, ComposeProject
from behaviour.containers import inspect
from behaviour.deployment import working_directory
from behaviour.people import Visitor, api
from behaviour.servers import CodeError, Server
from behaviour.terminal import Terminal
from support.waiting import wait_until

Verb = Callable[..., str]
KB = 1024

pytestmark = pytest.mark.timeout(120)


@dataclass
class Homes:
    """The directory of all homes on the server."""

    server: Verb
    path: str

    def report(self) -> dict[str, Any]:
        """Return the document of `classroom storage --json`."""
        text = self.server("exec", "classroom", "storage", "--json", "--settings", self.server("settings").strip())
        found: dict[str, Any] = json.loads(text)
        return found

    def of(self, student: str) -> dict[str, Any]:
        """Return the current home of a student, from `classroom storage`."""
        (found,) = [home for home in self.report()["homes"] if home["student"] == student and not home["archived"]]
        return dict(found)

    def stat(self, name: str) -> str:
        return self.server("exec", "stat", "--format=%u:%g %a %F", f"{self.path}/{name}").strip()


@pytest.fixture(scope="module")
def homes(server: Verb, module_reload: Callable[[dict[str, Any]], None]) -> Iterator[Homes]:
    """Return the class with homes as directories, until the end of the file."""
    path = f"{working_directory(server)}/homes"
    server("start", "homes")
    module_reload({"storage": {"kind": "directory", "path": path}})
    yield Homes(server, path)
    server("stop", "homes")


@pytest.fixture(scope="module")
def enrol(new_student: Callable[..., Server]) -> Callable[[], Server]:
    """Return a function that creates students with names that need no escaping."""
    return lambda: new_student(f"s{uuid.uuid4().hex[:10]}")


@pytest.fixture(scope="module")
def ada(homes: Homes, enrol: Callable[[], Server]) -> Server:  # noqa: ARG001 - her home is a directory
    """Return a student with a running server."""
    student = enrol()
    student.start()
    return student


def test_a_new_home_belongs_to_its_student_and_has_the_welcome_notebook(homes: Homes, ada: Server) -> None:
    home = f"classroom-home-{ada.name}"
    assert homes.stat(home) == "1000:100 700 directory"
    (mount,) = inspect(homes.server, ada.name)["Mounts"]
    assert (mount["Type"], mount["Source"], mount["RW"]) == ("bind", f"{homes.path}/{home}", True)
    assert homes.stat(f"{home}/Welcome.ipynb").startswith("1000:100 ")
    assert ada.get("api/contents/Welcome.ipynb").status_code == 200


def test_a_student_reaches_only_their_own_home(homes: Homes, ada: Server) -> None:
    other = f"{homes.path}/classroom-home-s{uuid.uuid4().hex[:10]}"
    homes.server("exec", "install", "-d", "-o", "1000", "-g", "100", "-m", "0700", other)
    with ada.kernel() as kernel:
        seen = kernel.ask("[line.split()[4] for line in open('/proc/self/mountinfo') if '/home' in line]")
        assert seen == ["/home/jovyan"]
        assert kernel.ask("__import__('os').listdir('/home')") == ["jovyan"]
        for path in (homes.path, other, f"../{other.rpartition('/')[2]}"):
            with pytest.raises(CodeError, match=r"FileNotFoundError|PermissionError"):
                kernel.run(f"__import__('os').listdir({path!r})")


@pytest.mark.attack(60)
def test_a_planted_link_is_not_followed(homes: Homes, ada: Server) -> None:
    """Count files of the home only, not the target of a link in it."""
    plant = f"""
import os
os.makedirs('deep/er', exist_ok=True)
for number, target in enumerate(['/', '/etc/shadow', '{homes.path}', '..', '../..', '/home/jovyan']):
    os.symlink(target, f'deep/er/link{{number}}')
os.mkfifo('deep/fifo')
with open('deep/file', 'wb') as file: file.write(os.urandom(300 * 1024))
os.link('deep/file', 'deep/again')
"""
    before, mode = homes.of(ada.name), homes.stat("")
    with ada.kernel() as kernel:
        kernel.run(plant)
    after = homes.of(ada.name)
    assert after["files"] - before["files"] == 2 + 6 + 1 + 1
    assert 300 * KB <= after["size"] - before["size"] < 350 * KB
    assert homes.stat("") == mode


def test_files_survive_stop_and_start_and_what_was_deleted_stays_deleted(homes: Homes, ada: Server) -> None:
    assert ada.write("letter.txt", "as I left it").status_code == 201
    assert ada.delete("api/contents/Welcome.ipynb").status_code == 204
    ada.stop()
    shadow = homes.server("exec", "stat", "--format=%u:%g %a", "/etc/shadow")
    ada.start()
    assert homes.server("exec", "stat", "--format=%u:%g %a", "/etc/shadow") == shadow, "links in the home lead there"
    assert ada.read("letter.txt") == "as I left it"
    assert ada.get("api/contents/Welcome.ipynb").status_code == 404


def test_only_the_hubs_user_and_root_can_create_homes(homes: Homes) -> None:
    socket = json.loads(homes.server("exec", "cat", homes.server("settings").strip()))["storage"]["helper"]
    ask = f"import socket; socket.socket(socket.AF_UNIX).connect({socket!r})"
    homes.server("exec", "python3", "-c", ask)
    with pytest.raises(AssertionError, match="Permission denied"):
        homes.server("exec", "setpriv", "--reuid=1000", "--regid=100", "--clear-groups", "python3", "-c", ask)


def test_a_removed_students_directory_is_kept_and_not_inherited(
    homes: Homes, admin: Visitor, new_student: Callable[..., Server], enrol: Callable[[], Server]
) -> None:
    first = enrol()
    first.start()
    assert first.write("mine.txt", "the first one's").status_code == 201
    first.stop()
    assert api(admin, "DELETE", f"users/{first.name}").status_code == 204
    second = new_student(first.name)
    second.start()
    assert second.get("api/contents/mine.txt").status_code == 404
    assert second.get("api/contents/Welcome.ipynb").status_code == 200
    second.stop()

    rows = {home["home"]: home for home in homes.report()["homes"] if home["student"] == first.name}
    old, new = f"classroom-home-{first.name}", f"classroom-home-{first.name}--2"
    assert rows.keys() == {old, new}
    assert rows[old]["archived"]
    assert not rows[new]["archived"]
    assert homes.server("exec", "cat", f"{homes.path}/{old}/mine.txt") == "the first one's"


def test_missing_storage_is_reported_and_works_again_without_a_restart(
    homes: Homes, admin: Visitor, enrol: Callable[[], Server]
) -> None:
    away = f"{homes.path}.away"
    homes.server("exec", "mv", homes.path, away)
    try:
        late = enrol()
        with pytest.raises(CodeError, match="Your home cannot be reached now"):
            late.start()
        log = homes.server("logs", "hub")
        assert f"storage.path {homes.path} cannot be opened (No such file or directory); mount its disk" in log
        assert "Traceback" not in log.rpartition("storage.path")[2]
        homes.server("restart", "hub")
        wait_until(lambda: "homes need attention" in page(admin), "the instructor gets a message", 20)
        assert f"storage.path {homes.path} cannot be opened" in page(admin)
    finally:
        homes.server("exec", "mv", away, homes.path)
    late.start()
    late.stop()


def test_migrated_files_go_into_homes_that_are_directories(homes: Homes, terminal: Terminal) -> None:
    carl, folder = f"carl{uuid.uuid4().hex[:6]}", f"{homes.path}.project"
    project = ComposeProject.make(homes.server, folder, {carl: BATTERY}, {f"{carl}/a.txt": "his"})
    try:
        done = terminal.run("adopt", project.folder)
    finally:
        homes.server("exec", "rm", "-rf", folder)
    assert done.returncode == 0, done.stderr
    home = f"classroom-home-{carl}"
    assert homes.stat(f"{home}/work") == "1000:100 755 directory"
    assert homes.stat(f"{home}/work/a.txt") == "1000:100 644 regular file"
    assert homes.stat(f"{home}/Welcome.ipynb").startswith("1000:100 "), "the home has the welcome notebook"


def page(visitor: Visitor) -> str:
    return visitor.get("/hub/home").text


def test_homes_that_were_volumes_move_with_all_that_is_in_them(
    homes: Homes, enrol: Callable[[], Server], terminal: Terminal
) -> None:
    moving, busy = enrol(), enrol()
    both = (moving.name, busy.name)
    path = {"storage": {"kind": "directory", "path": homes.path}}
    homes.server("reload", json.dumps({"storage": {"kind": "volumes", "path": None}}))
    for student in (moving, busy):
        student.start()
        student.write("work.txt", f"a week of {student.name}")
    with moving.kernel() as kernel:
        kernel.run(
            "import os\nos.link('work.txt', 'again')\nos.symlink('/etc/shadow', 'link')\nos.chmod('work.txt', 0o640)\n"
            "os.setxattr('work.txt', 'user.note', b'mine')\nopen('holes', 'wb').truncate(1 << 40)\nos.mkfifo('pipe')"
        )
    moving.stop()
    homes.server("reload", json.dumps(path))
    with pytest.raises(CodeError, match="Your home cannot be reached now"):
        moving.start()
    assert f"the home classroom-home-{moving.name} is a volume of the engine; move it" in homes.server("logs", "hub")

    # A run that was killed has left half a home behind.
    volume = f"classroom-home-{moving.name}"
    homes.server("exec", "mkdir", "-p", f"{homes.path}/.moving-{volume}/half")
    done = terminal.run("homes", "move", *both)
    assert done.returncode == 1
    assert f"classroom servers stop {busy.name}" in " ".join(done.stderr.split())
    assert moving.name not in done.stderr
    moving.start()
    assert moving.read("work.txt") == f"a week of {moving.name}"
    with moving.kernel() as kernel:
        kernel.run("import os\nwork, holes = os.stat('work.txt'), os.stat('holes')")
        facts = (
            "[work.st_nlink, oct(work.st_mode)[-3:], os.getxattr('work.txt', 'user.note').decode(), "
            "os.readlink('link'), holes.st_size, holes.st_blocks, os.path.exists('half')]"
        )
        assert kernel.ask(facts) == [2, "640", "mine", "/etc/shadow", 1 << 40, 0, False]
    moving.stop()
    busy.stop()
    assert terminal.run("homes", "move", *both, "--remove-old").returncode == 1, "one home has not been moved"
    assert terminal.run("homes", "move", *both).returncode == 0
    # Nothing is removed in which somebody has worked since.
    old = f"classroom-home-{busy.name}"
    place = homes.server("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", old).strip()
    homes.server("exec", "touch", f"{place}/late.txt")
    done = terminal.run("homes", "move", *both, "--remove-old")
    assert (done.returncode, f"{place} has changed since the move" in " ".join(done.stderr.split())) == (1, True)
    volumes = homes.server("docker", "volume", "ls", "--quiet").split()
    assert (old in volumes, volume in volumes) == (True, False)
    homes.server("docker", "volume", "rm", old)
    # And back, with settings that the hub does not have yet.
    volumes_again = json.loads(homes.server("exec", "cat", homes.server("settings").strip())) | {"storage": {}}
    terminal.write("volumes.json", json.dumps(volumes_again))
    script = 'classroom homes move "$1" --from "$2" --settings "$3"'
    homes.server("exec", "sh", "-euc", script, "sh", busy.name, homes.path, f"{terminal.folder}/volumes.json")
    assert homes.server("exec", "cat", f"{place}/work.txt") == f"a week of {busy.name}"
    # The directory is the old home now: it is not taken for the new one.
    done = terminal.run("homes", "move", busy.name)
    assert (done.returncode, "has other files" in " ".join(done.stderr.split())) == (1, True)
