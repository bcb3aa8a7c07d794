"""Class bridge and firewall rules with real containers, also after changes by other programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stack import missing
from stack.common import PYTHON_PATH
from stack.host import Stack, stack
from stack.world import ADDRESSES, GATEWAY, UPLINK
from support.processes import classroom

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(missing()), reason="; ".join(missing()))
IMAGE = "classroom-student:latest"
BRIDGE = "10.213.0.1"
SERVE = (
    "import socketserver as s\n"
    "class H(s.BaseRequestHandler):\n"
    "    def handle(self): self.request.sendall(b'here')\n"
    "s.TCPServer.allow_reuse_address = True\n"
    "s.ThreadingTCPServer(('{address}', {port}), H).serve_forever()\n"
)
CONNECT = (
    "import json, socket, sys\n"
    "def reached(target):\n"
    "    host, port = target.split(':')\n"
    "    try: socket.create_connection((host, int(port)), 3).close()\n"
    "    except OSError: return False\n"
    "    return True\n"
    "print(json.dumps({each: reached(each) for each in sys.argv[1:]}))\n"
)


class Class:
    """A class bridge with two students on it."""

    def __init__(self, made: Stack) -> None:
        self.made = made

    def ask(self, *words: str, check: bool = True) -> str:
        command = [sys.executable, "-m", "stack", "ctl", str(self.made.layout.directory), *words]
        environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout + done.stderr

    def network(self, verb: str, *, check: bool = True) -> str:
        return self.ask("exec", *classroom("network", verb), check=check)

    def settings(self, **network: object) -> None:
        path = self.made.layout.settings
        data = json.loads(path.read_text())
        data["network"] = {"resolvers": [ADDRESSES["resolver"]], **network}
        path.write_text(json.dumps(data))
        self.network("up")

    def address(self, student: str) -> str:
        return self.ask("docker", "inspect", "-f", "{{.NetworkSettings.Networks.classroom.IPAddress}}", student).strip()

    def reaches(self, *targets: str, student: str = "ada") -> dict[str, bool]:
        answer: dict[str, bool] = json.loads(self.ask("docker", "exec", student, "python", "-c", CONNECT, *targets))
        return answer


@pytest.fixture(scope="module")
def bridge() -> Iterator[Class]:
    with stack(parts=["engine"]) as made:
        here = Class(made)
        here.network("up")
        for student in ("ada", "ben"):
            serve = ["python", "-c", SERVE.format(address="0.0.0.0", port=8888)]  # noqa: S104 - in its container
            here.ask("docker", "run", "-d", f"--name={student}", "--network=classroom", "--cap-drop=ALL", IMAGE, *serve)
        for port in (8081, 8000):
            serve = [sys.executable, "-c", SERVE.format(address="0.0.0.0", port=port)]  # noqa: S104 - in the namespace
            start = "import subprocess as s, sys; s.Popen(sys.argv[1:], stdout=s.DEVNULL, stderr=s.DEVNULL)"
            here.ask("exec", sys.executable, "-c", start, *serve)
        yield here


@pytest.fixture
def default_settings(bridge: Class) -> Iterator[None]:
    yield
    bridge.settings()


def test_a_student_reaches_the_hubs_port_the_name_server_and_the_internet_only(bridge: Class) -> None:
    expected = {
        f"{BRIDGE}:8081": True,
        f"{ADDRESSES['internet']}:80": True,
        f"{ADDRESSES['resolver']}:53": True,
        f"{bridge.address('ben')}:8888": False,
        f"{BRIDGE}:8000": False,
        f"{BRIDGE}:9000": False,
        f"{UPLINK}:8081": False,
        f"{UPLINK}:9000": False,
        f"{ADDRESSES['resolver']}:80": False,
        f"{ADDRESSES['metadata']}:80": False,
        f"{ADDRESSES['private']}:80": False,
        f"{ADDRESSES['private']}:53": False,
        f"{ADDRESSES['private2']}:80": False,
        f"{ADDRESSES['shared']}:80": False,
    }
    assert bridge.reaches(*expected) == expected


def test_the_server_reaches_students_and_the_outside_does_not(bridge: Class) -> None:
    ben = f"{bridge.address('ben')}:8888"
    assert json.loads(bridge.ask("exec", sys.executable, "-c", CONNECT, ben)) == {ben: True}
    # A machine on the server's network that sends packets for the class's addresses to the server.
    ip = f"{bridge.made.layout.directory}/bin/ip"
    bridge.ask("outside", ip, "route", "replace", "10.213.0.0/20", "via", UPLINK)
    assert json.loads(bridge.ask("outside", sys.executable, "-c", CONNECT, ben)) == {ben: False}


def test_students_stay_isolated_when_iptables_no_longer_sees_bridged_packets(bridge: Class) -> None:
    ben = f"{bridge.address('ben')}:8888"
    switch = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    bridge.ask("exec", "sh", "-c", f"echo 0 > {switch}")
    try:
        assert bridge.reaches(ben, f"{BRIDGE}:8081") == {ben: False, f"{BRIDGE}:8081": True}
    finally:
        bridge.ask("exec", "sh", "-c", f"echo 1 > {switch}")


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_the_rules_outlive_the_engine(bridge: Class, how: str) -> None:
    expected = {
        f"{ADDRESSES['internet']}:80": True,
        f"{bridge.address('ben')}:8888": False,
        f"{ADDRESSES['private']}:80": False,
        f"{BRIDGE}:9000": False,
    }
    if how == "crash":
        bridge.ask("kill", "engine")
        bridge.ask("start", "engine")
    else:
        bridge.ask("restart", "engine")
    assert bridge.reaches(*expected) == expected


@pytest.mark.usefixtures("default_settings")
def test_without_internet_only_allowed_addresses_are_reached(bridge: Class) -> None:
    bridge.settings(internet=False, allow=[f"{ADDRESSES['private']}/32"])
    expected = {
        f"{ADDRESSES['internet']}:80": False,
        f"{GATEWAY}:80": False,
        f"{ADDRESSES['private']}:80": True,
        f"{ADDRESSES['private2']}:80": False,
        f"{ADDRESSES['resolver']}:53": True,
        f"{BRIDGE}:8081": True,
    }
    assert bridge.reaches(*expected) == expected


@pytest.mark.usefixtures("default_settings")
def test_allow_never_opens_metadata(bridge: Class) -> None:
    bridge.settings(allow=["0.0.0.0/0"])
    expected = {f"{ADDRESSES['metadata']}:80": False, f"{ADDRESSES['private2']}:80": True}
    assert bridge.reaches(*expected) == expected


def test_the_hubs_port_is_open_where_the_machines_firewall_drops_by_default(bridge: Class) -> None:
    bridge.ask("exec", "iptables", "-P", "INPUT", "DROP")
    try:
        bridge.network("up")
        assert bridge.reaches(f"{BRIDGE}:8081") == {f"{BRIDGE}:8081": True}
    finally:
        bridge.ask("exec", "iptables", "-P", "INPUT", "ACCEPT")


@pytest.mark.usefixtures("default_settings")
def test_a_changed_subnet_with_students_on_it_is_refused_with_their_names(bridge: Class) -> None:
    with pytest.raises(AssertionError, match=r"classroom has other settings .*ada.*stop the students' servers first"):
        bridge.settings(subnet="10.214.0.0/20")
    assert bridge.reaches(f"{ADDRESSES['internet']}:80") == {f"{ADDRESSES['internet']}:80": True}


def test_down_is_refused_while_servers_run_and_leaves_nothing_afterwards(bridge: Class) -> None:
    assert "stop the students' servers first" in bridge.network("down", check=False)
    bridge.ask("docker", "rm", "-f", "ada", "ben")
    bridge.network("down")
    bridge.network("down")
    assert "classroom" not in bridge.ask("docker", "network", "ls", "--format", "{{.Name}}")
    assert "classroom" not in bridge.ask("exec", "nft", "list", "tables")
    assert "CLASSROOM" not in bridge.ask("exec", "iptables", "-S")
