"""Backup of a running class, and its restore on an empty machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from behaviour.people import PASSWORD, Visitor, page_messages
from behaviour.servers import Server
from behaviour.terminal import Terminal
from support.http import answers
from support.waiting import wait_until

Verb = Callable[..., str]
Lines = frozenset[str]

pytestmark = pytest.mark.timeout(240)

HUB = "127.0.0.1:8091"

# Created before the backup, and unchanged since.
FILES = """
import os
os.makedirs('data/raw', exist_ok=True)
for number in range(200):
    with open(f'data/raw/{number}.bin', 'wb') as file: file.write(os.urandom(20_000))
os.chmod('data/raw/1.bin', 0o750)
os.symlink('raw/1.bin', 'data/link')
kept = list(range(1000))
"""

# As JupyterLab saves: a temporary file replaces the old file.
WORK = """
import os, time
state = 0
while not os.path.exists('stop'):
    with open('changing.part', 'w') as file: file.write(f'{state}\\n' * 20_000)
    os.replace('changing.part', 'changing.txt')
    state += 1
    time.sleep(0.01)
print(state)
"""

# Folders with a file of a known name, exchanged with links to the home of somebody else until the kernel ends.
EXCHANGE = """
import ctypes, os, threading
libc, pairs = ctypes.CDLL(None), []
for number in range(200):
    os.makedirs(f'x/d{number}')
    with open(f'x/d{number}/exam.txt', 'w') as file: file.write('own')
    os.symlink(TARGET, f'x/link{number}')
    pairs.append((f'x/d{number}'.encode(), f'x/link{number}'.encode()))
def exchange():
    while True:
        for folder, link in pairs: libc.renameat2(-100, folder, -100, link, 2)
threading.Thread(target=exchange, daemon=True).start()
"""

TREE = """
cd "$1"
find . -type d -printf '%p %m %U:%G\\n'
find . ! -type d -printf '%p %y %m %U:%G %T@ %l\\n'
find . -type f -exec sha256sum {} +
"""


@dataclass
class Machine:
    """A second machine with its own state, sockets and homes, which are directories."""

    terminal: Terminal
    homes: str
    process: dict[str, str]
    server: Verb

    def start(self, part: str) -> None:
        """Run the hub or the proxy."""
        script = 'classroom "$1" --settings "$2" > "$3/$1.log" 2>&1 & echo $!'
        place = self.terminal.folder
        self.process[part] = self.server("exec", "sh", "-c", script, "sh", part, self.terminal.settings, place).strip()

    def answers(self) -> bool:
        return answers(f"http://{HUB}/hub/health")


@dataclass
class Saved:
    """A backup of the class, created while its students worked."""

    made: dict[str, Any]
    place: str
    password_file: str
    ada: Server
    bob: Server
    unchanged: Lines
    """What her home holds that was the same before and after."""
    printed: str
    """By the cell that ran all the while."""
    sum: int
    """Of what the kernel had in its memory before."""


def tree(server: Verb, path: str) -> Lines:
    return frozenset(server("exec", "sh", "-euc", TREE, "sh", path).splitlines())


def volume(server: Verb, student: Server) -> str:
    return server(
        "docker", "volume", "inspect", "--format", "{{.Mountpoint}}", f"classroom-home-{student.name}"
    ).strip()


@pytest.fixture(scope="module")
def saved(server: Verb, terminal: Terminal, new_student: Callable[..., Server]) -> Iterator[Saved]:
    ada, bob = (new_student(f"s{uuid.uuid4().hex[:10]}") for _ in range(2))
    ada.start()
    with ada.kernel() as kernel:
        kernel.run(FILES)
        before = tree(server, volume(server, ada))
        cell = kernel.send(WORK)
        wait_until(
            lambda: ada.get("api/contents/changing.txt", params={"content": 0}).status_code == 200, "the student works"
        )
        place = f"{terminal.folder}/backups"
        made = terminal.ask("backup", "create", place)
        assert ada.write("stop", "").status_code == 201
        printed, total = kernel.result(cell).strip(), kernel.ask("sum(kept)")
    state = json.loads(server("exec", "cat", terminal.settings))["paths"]["state"]
    unchanged = before & tree(server, volume(server, ada))
    yield Saved(made, place, f"{state}/secrets/backup-password", ada, bob, unchanged, printed, total)
    server("exec", "rm", "-f", f"{state}/secrets/backup-password")


@pytest.fixture(scope="module")
def second(server: Verb, terminal: Terminal) -> Iterator[Machine]:
    # In small letters: JupyterHub's client cannot use a socket path with capitals, which mktemp creates.
    folder = f"/tmp/classroom-{uuid.uuid4().hex[:10]}"
    server("exec", "mkdir", "-m", "0700", folder)
    settings = json.loads(server("exec", "cat", terminal.settings))
    own = {
        "site": {"externalUrl": f"http://{HUB}/"},
        "paths": {"state": f"{folder}/state", "runtime": f"{folder}/run"},
        "hub": {"listen": HUB},
        "proxy": settings["proxy"] | {"listen": f"unix:{folder}/p.sock", "api": f"unix:{folder}/a.sock"},
        "docker": settings["docker"] | {"prefix": "second"},
        "network": settings["network"] | {"name": "second", "bridge": "second0", "subnet": "10.214.0.0/20"},
        "storage": {"kind": "directory", "path": f"{folder}/homes"},
        # After a shell's "&" it would ignore SIGINT, and the hub would wait for it for half a minute.
        "culling": {"enable": False},
    }
    script = 'install -d -m 0711 "$1/homes"; printf %s "$2" > "$1/settings.json"'
    server("exec", "sh", "-euc", script, "sh", folder, json.dumps(settings | own))
    at_second = Terminal(terminal.command, f"{folder}/settings.json", folder)
    machine = Machine(at_second, f"{folder}/homes", {}, server)
    yield machine
    for process in machine.process.values():
        server("exec", "sh", "-c", 'kill "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done', "sh", process)
    server("exec", "rm", "-rf", folder)


def test_a_running_kernel_survives_a_backup(saved: Saved) -> None:
    assert saved.sum == sum(range(1000))
    assert int(saved.printed) > 1
    assert saved.made["problems"] == []


def test_a_class_is_restored_on_an_empty_machine(
    saved: Saved, second: Machine, server: Verb, admin_credentials: tuple[str, str]
) -> None:
    done = second.terminal.ask("backup", "restore", saved.place, "--password-file", saved.password_file)
    assert f"second-home-{saved.ada.name}" in done["homes"]
    home = f"{second.homes}/second-home-{saved.ada.name}"
    assert len([line for line in saved.unchanged if "data/raw/" in line]) == 400
    assert saved.unchanged <= tree(server, home)
    assert server("exec", "stat", "--format=%u:%g %a", home).strip().startswith("1000:100 ")
    # The file changed during the backup: the copy is one complete state that was saved.
    states = server("exec", "cat", f"{home}/changing.txt").splitlines()
    assert len(states) == 20_000
    assert set(states) == {states[0]}
    assert 0 <= int(states[0]) < int(saved.printed)

    second.start("proxy")
    second.start("hub")
    try:
        wait_until(second.answers, "the second hub answers", 60)
    except (AssertionError, TimeoutError):
        pytest.fail(second.terminal.read("hub.log") + second.terminal.read("proxy.log"))
    accounts = {saved.ada.name: PASSWORD, saved.bob.name: PASSWORD}
    for name, password in [*accounts.items(), admin_credentials]:
        visitor = Visitor(f"http://{HUB}")
        answer = visitor.sign_in(name, password)
        assert visitor.is_signed_in, page_messages(answer)
        assert Server(visitor, name).is_known is False, "her server runs elsewhere"
        visitor.web.close()


def test_a_restore_onto_a_running_class_is_refused(saved: Saved, terminal: Terminal) -> None:
    for words, reason in (
        ([], "The hub runs (at "),
        (["--student", saved.ada.name], f"{saved.ada.name}'s server runs and has the home open: stop it"),
    ):
        done = terminal.run("backup", "restore", saved.place, "--overwrite", *words)
        assert done.returncode == 1
        assert reason in done.stderr
    assert saved.ada.get("api/contents/stop", params={"content": 0}).status_code == 200, "created after the backup"


def test_a_student_gets_the_files_of_the_backup(saved: Saved, server: Verb, terminal: Terminal) -> None:
    """Restore one home, while the hub and the other servers run."""
    saved.ada.stop()
    home = volume(server, saved.ada)
    server("exec", "rm", "-r", f"{home}/data")
    words = ("backup", "restore", saved.place, "--student", saved.ada.name)
    refused = terminal.run(*words)
    assert refused.returncode == 1
    assert "add --overwrite" in refused.stderr
    terminal.ask(*words, "--overwrite")
    saved.ada.start()
    assert saved.unchanged <= tree(server, home)
    with saved.ada.kernel() as kernel:
        assert kernel.ask("len(__import__('os').listdir('data/raw'))") == 200
    saved.ada.stop()


@pytest.mark.attack(57, 58)
def test_a_backup_gives_nobody_the_files_of_another_student(saved: Saved, server: Verb, terminal: Terminal) -> None:
    """Exchange folders for links in a container while restic reads, then restore that home and look into it."""
    saved.bob.start()
    assert saved.bob.write("exam.txt", "secret of bob").status_code == 201
    saved.bob.stop()
    saved.ada.start()
    with saved.ada.kernel() as kernel:
        kernel.run(EXCHANGE.replace("TARGET", repr(volume(server, saved.bob))))
        terminal.run("backup", "create", saved.place)
    saved.ada.stop()
    terminal.ask("backup", "restore", saved.place, "--student", saved.ada.name, "--overwrite")
    texts = server("exec", "grep", "--recursive", "--no-filename", "", f"{volume(server, saved.ada)}/x").splitlines()
    assert texts
    assert set(texts) == {"own"}
