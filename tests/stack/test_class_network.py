"""Class bridge and firewall rules with real containers, also after changes by other programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stack import missing
from stack.common import PYTHON_PATH, search_path
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
    "s.TCPServer.request_queue_size = 512\n"
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
# Sends datagrams to more ports than a container may have flows, faster than any program needs.
FLOOD = (
    "import contextlib, socket\n"
    "out = socket.socket(type=socket.SOCK_DGRAM)\n"
    "for port in range(2000, 22000):\n"
    "    with contextlib.suppress(OSError): out.sendto(b'x', ('{address}', port))\n"
)
# Holds as many connections as it gets at once, then prints their number.
HOLD = (
    "import socket\n"
    "held = []\n"
    "for number in range({number}):\n"
    "    try: held.append(socket.create_connection(('{address}', {port}), 5))\n"
    "    except OSError: break\n"
    "print(len(held))\n"
)
# A server outside that accepts any number of connections at once.
ACCEPT = (
    "import socket\n"
    "server = socket.create_server(('{address}', 7000), backlog=4096)\n"
    "held = []\n"
    "while True: held.append(server.accept())\n"
)
START = "import subprocess as s, sys; s.Popen(sys.argv[1:], stdout=s.DEVNULL, stderr=s.DEVNULL)"
# The machine's own name server, on loopback only (as systemd-resolved and dnsmasq are).
LOOPBACK_NAMES = (
    "from stack import world\n"
    "import socketserver\n"
    "socketserver.ThreadingUDPServer(('127.0.0.1', 53), world._DatagramNames).serve_forever()\n"
)
# Creates a student's container as the hub does, and starts it.
CREATE = (
    "import docker, os, sys\n"
    "from classroom.docker.container import Order, create_arguments\n"
    "from classroom.docker.features import Feature\n"
    "from classroom.settings.models import Network, Student\n"
    "client = docker.APIClient(os.environ['DOCKER_HOST'], version='auto')\n"
    "network = Network(internet=sys.argv[2] == 'internet')\n"
    "order = Order(name=sys.argv[1], user=sys.argv[1], home='home-' + sys.argv[1], environment={},\n"
    "              command=('sleep', '600'), missing=frozenset({Feature.RAISED_LIMITS}))\n"
    "client.start(client.create_container(**create_arguments(order, Student(), network))['Id'])\n"
)
LOOK_UP = (
    "import socket\ntry: print(socket.gethostbyname('answers-of-an-exam.example'))\nexcept OSError: print('nothing')\n"
)
MACHINES_NFT = shutil.which("nft", path=search_path())
FLOWS = 1000  # of TCP, and as many of everything else


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

    def flows(self) -> int:
        """Return the number of flows in the machine's table of connections."""
        return int(self.ask("exec", "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))

    def run(self, student: str, code: str) -> str:
        return self.ask("docker", "exec", student, "python", "-c", code).strip()


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
            here.ask("exec", sys.executable, "-c", START, *serve)
        accept = [sys.executable, "-c", ACCEPT.format(address=ADDRESSES["internet"])]
        here.ask("outside", sys.executable, "-c", START, *accept)
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


@pytest.mark.attack(32)
def test_a_flood_of_datagrams_fills_no_table_and_stops_nobodys_connections(bridge: Class) -> None:
    before = bridge.flows()
    bridge.run("ada", FLOOD.format(address=ADDRESSES["internet"]))
    assert bridge.flows() - before <= FLOWS + 100
    web = f"{ADDRESSES['internet']}:80"
    assert bridge.reaches(web, f"{ADDRESSES['resolver']}:53", student="ben") == dict.fromkeys(
        (web, f"{ADDRESSES['resolver']}:53"), True
    )
    assert bridge.reaches(web) == {web: True}


@pytest.mark.attack(32)
def test_a_program_with_900_connections_at_once_works_and_one_with_3000_is_stopped(bridge: Class) -> None:
    assert bridge.run("ben", HOLD.format(number=900, address=ADDRESSES["internet"], port=7000)) == "900"
    held = int(bridge.run("ada", HOLD.format(number=3000, address=ADDRESSES["internet"], port=7000)))
    assert FLOWS - 100 <= held <= FLOWS + 10


@pytest.mark.attack(31)
def test_one_student_holds_a_bounded_number_of_connections_to_the_hub(bridge: Class) -> None:
    assert 50 <= int(bridge.run("ada", HOLD.format(number=300, address=BRIDGE, port=8081))) <= 64
    hub = f"{BRIDGE}:8081"
    assert bridge.reaches(hub, student="ben") == {hub: True}


@pytest.mark.skipif(not MACHINES_NFT, reason="the machine has no nft of its own (apt-get install nftables)")
def test_an_nft_of_another_version_reads_the_rules(bridge: Class) -> None:
    # The rules were loaded by the nft of the engine's root, which is newer than Debian 12's.
    versions = bridge.ask("exec", "nft", "--version"), bridge.ask("exec", str(MACHINES_NFT), "--version")
    assert "set new_api" in bridge.ask("exec", str(MACHINES_NFT), "list", "ruleset"), versions


@pytest.mark.attack(68)
def test_without_internet_the_machines_own_name_server_answers_no_student(bridge: Class) -> None:
    bridge.ask("exec", sys.executable, "-c", START, sys.executable, "-c", LOOPBACK_NAMES)
    root = "nsenter --target=$(pidof dockerd) --mount"
    bridge.ask("exec", "sh", "-c", f"{root} sh -c 'echo nameserver 127.0.0.1 > /run/resolv.conf'")
    answers = {}
    for student, kind in (("cy", "internet"), ("dee", "none")):
        bridge.ask("exec", sys.executable, "-c", CREATE, student, kind)
        answers[kind] = bridge.run(student, LOOK_UP)
        bridge.ask("docker", "rm", "-f", student)
    assert answers == {"internet": ADDRESSES["internet"], "none": "nothing"}


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
