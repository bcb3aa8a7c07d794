"""The page "A first class on a NixOS server", line by line, on a machine that boots without a class.

Its files are built as they stand there. Its commands run on the machine in their order, and print what the page shows.
What cannot be had here has stand-ins: Debian's programs (programs.nix), a certificate that the machine makes itself, no
card, and `nix`, `nixos-generate-config` and `nixos-rebuild`, which copy the template, print an empty module, and run
switch-to-configuration of the system that was built before from the same configuration.nix.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from behaviour.people import Visitor
from behaviour.servers import Server
from classroom.units import format_bytes
from machine.machine import Machine, machine
from machine.systems import build_system
from machine.test_hosts import EXPECTED, NO_PROGRAM
from machine.tutorial import Command, Tutorial
from nix.evaluation import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = Tutorial(REPOSITORY / "docs/tutorials/nixos-server.md")
SITE = "https://hub.example.org"
PASSWORD = "the-instructor-has-a-password"
TITLE, CHANGED = '"Machine Learning"', '"Deep Learning"'
# Commands that only look: they are asked again until they print what the page shows.
LOOKS = {"journalctl": 600, "curl": 60, "sudo cat": 60}

STUBS = {
    "sudo": 'exec "$@"',
    "nixos-generate-config": "echo '{ }'",
    "nix": '[ "$1 $2 $3" = "flake init -t" ] && cp /opt/tutorial/template/* .',
    "nixos-rebuild": """
set -e
action=$1
profiles=/nix/var/nix/profiles
number=$(readlink $profiles/system | tr -dc 0-9)
if [ "$2" = --rollback ]; then
    number=$((number - 1))
    top=$(readlink $profiles/system-$number-link)
else
    [ "$2 $3" = "--flake .#server" ]
    cmp flake.nix /opt/tutorial/template/flake.nix
    for built in /opt/tutorial/[0-9]; do cmp -s configuration.nix $built/configuration.nix && break; done
    cmp configuration.nix $built/configuration.nix
    top=$(cat $built/toplevel)
    [ $action = switch ] || exit 0
    number=$((number + 1))
    ln -sfn $top $profiles/system-$number-link
fi
ln -sfn system-$number-link $profiles/system
# Not `switch`, which would also install a boot loader.
exec $top/bin/switch-to-configuration test
""",
}


def build(directory: Path, text: str) -> Path:
    """Build the server of the page with this configuration.nix."""
    directory.mkdir(parents=True)
    file = directory / "configuration.nix"
    file.write_text(text, encoding="utf-8")
    return build_system(None, str(file), "./cardless.nix", "./tutorial.nix", image=True)


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a server without a class, with the stand-ins and the systems of the page."""
    directory = tmp_path_factory.mktemp("tutorial")
    text = PAGE.files["configuration.nix"]
    systems = [
        build(directory / str(number), text.replace(TITLE, title)) for number, title in ((1, TITLE), (2, CHANGED))
    ]
    empty = build_system(None, "./tutorial.nix")
    with machine(directory / "machine", root, empty) as made:
        place = made.directory / "tree/opt/tutorial"
        shutil.copytree(REPOSITORY / "templates/class", place / "template")
        for number, system in enumerate(systems, 1):
            shutil.copytree(directory / str(number), place / str(number))
            (place / str(number) / "toplevel").write_text(str(system), encoding="utf-8")
        for name, script in STUBS.items():
            program = made.directory / "tree/usr/bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            program.chmod(0o755)
        yield made


class Reader:
    """A person at the keyboard of the server and at two browsers."""

    def __init__(self, server: Machine) -> None:
        self._server = server
        self._folder = "/root"
        self.first_password = ""
        with server.network():
            self.teacher, self.ada = visitor(), Server(visitor(), "ada")

    def type(self, command: Command) -> None:
        """Run a command where the last `cd` has led, and compare what it prints with the page."""
        bound = next((seconds for look, seconds in LOOKS.items() if command.text.startswith(look)), 0)
        end = time.monotonic() + bound
        while not command.is_answer(output := self._run(command.text)):
            assert time.monotonic() < end, f"{command.text} printed:\n{output}\nand the page shows:\n{command.output}"
            time.sleep(1)
        if "first-password" in command.text:
            self.first_password = output.strip()

    def _run(self, command: str) -> str:
        # The certificate is its own authority.
        script = f"export CURL_CA_BUNDLE=/var/lib/tls/cert.pem; cd {self._folder}; {command}; status=$?;"
        script += " pwd > /run/folder; exit $status"
        may_fail = "classroom doctor" in command or command.startswith(tuple(LOOKS))
        output = self._server.run("bash", "-c", script, timeout=900, check=not may_fail)
        self._folder = self._server.run("cat", "/run/folder").strip()
        return output

    def sign_in_as_the_instructor(self) -> None:
        answer = self.teacher.sign_in("teacher", self.first_password, "/hub/authorize")
        assert answer.url.path == "/hub/change-password"
        self.teacher.post(str(answer.url), {"new_password": PASSWORD, "new_password_confirmation": PASSWORD})

    def sign_up(self) -> None:
        answer = self.ada.visitor.sign_up("ada")
        assert "An instructor has to approve your account" in " ".join(answer.text.split())

    def approve(self) -> None:
        self.teacher.act("approve", "ada")

    def start_the_server(self) -> None:
        self.ada.visitor.sign_in("ada")
        self.ada.start()


STEPS: dict[str, Callable[[Reader], None]] = {
    f"Open `{SITE}/hub/authorize`, log in as `teacher` with the one-time password, and choose a password.": (
        Reader.sign_in_as_the_instructor
    ),
    f"Open `{SITE}/` in a private window, and sign up as `ada`. The page says that an instructor has to approve her.": (
        Reader.sign_up
    ),
    "Approve `ada` in the first window.": Reader.approve,
    "Log in as `ada` in the private window. Her server starts, and JupyterLab opens.": Reader.start_the_server,
}


def test_a_reader_who_types_what_the_page_says_has_a_class(server: Machine, figures: list[str]) -> None:
    assert list(STEPS) == PAGE.steps
    reader = Reader(server)
    with Disk(server.directory / "docker") as disk:
        for command in PAGE.commands:
            reader.type(command)
            if "nixos-rebuild switch" in command.text:
                server.wait_for_unit("classroom-hub")
            if command.text.startswith("journalctl"):
                figures.append(f"tutorial: {_load(server)}; {disk}")
            if "first-password" in command.text:
                with server.network():
                    for step in STEPS.values():
                        step(reader)
    with server.network():
        assert reader.ada.get("api/status").status_code == 200, "the switch and the rollback ended the server"


def test_the_class_of_the_page_is_in_order(server: Machine) -> None:
    problems = [found for found in server.problems() if not any(unit in found["says"] for unit in NO_PROGRAM)]
    assert [found for found in problems if found["about"] not in EXPECTED] == []
    assert "Traceback" not in server.run("journalctl", "--no-pager", "--boot", "--output=cat")


def visitor() -> Visitor:
    """Return a browser that finds the machine under the class's name."""
    made = Visitor(SITE)
    made.web = httpx.Client(base_url=SITE, transport=_ToTheMachine(verify=False), timeout=60)
    return made


class _ToTheMachine(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return super().handle_request(here)


def _load(server: Machine) -> str:
    journal = server.run("journalctl", "--unit=classroom-images", "--output=cat")
    match = re.search(r"^loading \S+, (\S+)$.*?^loaded \S+ after (\d+) s$", journal, re.MULTILINE | re.DOTALL)
    assert match, journal
    return f"the image has {match[1]} and loads in {match[2]} s"


class Disk:
    """The size of a directory, and the largest one during a time."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._most, self._ended = directory, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def __str__(self) -> str:
        return f"Docker's directory had {format_bytes(self._most)} at most, {format_bytes(self._size())} at the end"

    def _watch(self) -> None:
        while not self._ended.wait(1):
            self._most = max(self._most, self._size())

    def _size(self) -> int:
        command = ["du", "-s", "--block-size=1", str(self._directory)]
        # What the engine removes meanwhile is an error of du, which counts the rest.
        return int(subprocess.run(command, check=False, text=True, capture_output=True).stdout.split()[0])
