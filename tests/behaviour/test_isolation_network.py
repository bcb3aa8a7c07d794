"""Isolation of the network: a student's code reaches the internet, if allowed, and the hub's API, nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from behaviour import containers
from behaviour.deployment import read_settings
from behaviour.people import Visitor
from behaviour.servers import CodeError, Kernel, Server

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(180)

# Connects to all addresses at once, because a closed one may not answer.
KNOCK = """
import concurrent.futures, socket
def knock(door):
    try:
        socket.create_connection(door, timeout=4).close()
    except OSError as error:
        return f"{type(error).__name__}"
    return "open"
def knock_at(doors):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        return list(pool.map(knock, [tuple(door) for door in doors]))
"""


def knock(kernel: Kernel, doors: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the addresses that accept a connection from a program in the kernel."""
    kernel.run(KNOCK)
    answers = kernel.ask(f"knock_at({json.dumps(doors)})", bound=120)
    return [door for door, answer in zip(doors, answers, strict=True) if answer == "open"]


@pytest.fixture(scope="module")
def gateway(server: Verb, mine: Server) -> str:
    networks = containers.inspect(server, mine.name)["NetworkSettings"]["Networks"]
    address: str = next(iter(networks.values()))["Gateway"]
    return address


@pytest.fixture(scope="module")
def api_port(server: Verb) -> int:
    settings = read_settings(server)
    port: int = settings.get("network", {}).get("apiPort", 8081)
    return port


@pytest.mark.attack(8)
def test_a_student_reaches_no_other_students_container(
    mine: Server, kernel: Kernel, other: Server, server: Verb
) -> None:
    own, theirs = containers.address(server, mine.name), containers.address(server, other.name)
    listen = "import socket; s = socket.create_server(('0.0.0.0', 5000), backlog=64); print(s.getsockname()[1])"
    with other.kernel() as opened:
        opened.run(listen)
        kernel.run(listen)
        assert knock(opened, [(theirs, 8888), (theirs, 5000)]) == [(theirs, 8888), (theirs, 5000)]
        assert knock(kernel, [(own, 8888), (own, 5000)]) == [(own, 8888), (own, 5000)]
        assert knock(kernel, [(theirs, 8888), (theirs, 5000)]) == []
        assert knock(opened, [(own, 8888), (own, 5000)]) == []


@pytest.mark.attack(14)
def test_names_in_the_network_do_not_say_who_works(mine: Server, kernel: Kernel, other: Server, server: Verb) -> None:
    theirs = containers.address(server, other.name)
    found = kernel.ask(f"str(__import__('socket').gethostbyaddr({theirs!r}))")
    assert theirs in found
    assert other.name not in found
    container = containers.inspect(server, mine.name)["Name"]
    assert mine.name not in container
    # A name server outside may have an address for any name.
    guess = kernel.run(f"!getent hosts classroom-{other.name}")
    assert theirs not in guess


@pytest.mark.attack(8)
def test_a_student_sends_no_datagram_to_another_students_container(kernel: Kernel, other: Server, server: Verb) -> None:
    theirs = containers.address(server, other.name)
    listen = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('0.0.0.0', 5001)); s.settimeout(3)"
    send = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'knock', ({!r}, 5001))"
    with other.kernel() as opened:
        opened.run(listen)
        opened.run(send.format(theirs))
        assert opened.run("print(s.recvfrom(9)[0])") == "b'knock'\n"
        cell = opened.send(
            "try:\n    print('waiting', flush=True); print(s.recvfrom(9))\nexcept TimeoutError: print('nothing')"
        )
        opened.begun(cell)
        kernel.run(f"try:\n    {send.format(theirs)}\nexcept OSError: pass")
        assert opened.result(cell) == "nothing\n"


@pytest.mark.attack(9)
def test_of_the_server_itself_only_the_hubs_api_is_open(
    kernel: Kernel, gateway: str, api_port: int, outside: dict[str, str], server: Verb
) -> None:
    tables = server("exec", "cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    rows = [line.split() for line in tables if "local_address" not in line]
    listening = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
    site = urlsplit(kernel.server.visitor.url).port or 80
    assert {site, api_port} <= listening, "the test looks at the wrong ports"
    ports = sorted(listening | {22, 53, 80, 111, 443, 2375, 2376, 3000, 5432, 8000, 8001, 9090, 9100})
    doors = [(address, port) for address in (gateway, outside["uplink"]) for port in ports]
    assert knock(kernel, doors) == [(gateway, api_port)]


# Opens connections and sends half a request on each, until none is left to get; prints their number.
HALF_REQUESTS = """
import socket
held = []
for number in range(9000):
    try:
        held.append(socket.create_connection(({address!r}, {port}), timeout=2))
        held[-1].sendall(b"GET /hub/api/user HTTP/1.1\\r\\nHost: x\\r\\n")
    except OSError:
        break
print(len(held))
"""


@pytest.mark.attack(31)
def test_half_requests_from_a_container_delay_no_page(
    mine: Server, kernel: Kernel, gateway: str, api_port: int
) -> None:
    held = int(kernel.run(HALF_REQUESTS.format(address=gateway, port=api_port)))
    try:
        assert held <= 64
        for _ in range(5):
            browser = Visitor(mine.visitor.url)
            begin = time.monotonic()
            assert browser.get("/hub/login").status_code == 200
            assert time.monotonic() - begin < 2
    finally:
        kernel.run("for connection in held: connection.close()")


@pytest.mark.attack(10, 11)
@pytest.mark.parametrize("host", ["metadata", "private", "private2", "shared"])
def test_a_student_does_not_reach(host: str, kernel: Kernel, outside: dict[str, str], server: Verb) -> None:
    door = (outside[host], 80)
    script = f"import socket; socket.create_connection({door!r}, timeout=5)"
    server("exec", "python3", "-c", script)  # the address exists, and the server reaches it
    assert knock(kernel, [door]) == []


def test_a_student_reaches_the_internet_and_finds_names(kernel: Kernel, outside: dict[str, str]) -> None:
    address = outside["internet"]
    assert kernel.ask(f"__import__('urllib.request').request.urlopen('http://{address}/', timeout=10).status") == 200
    assert kernel.ask("__import__('socket').gethostbyname('pypi.example')") == address


def test_of_the_name_server_a_student_reaches_port_53_only(kernel: Kernel, outside: dict[str, str]) -> None:
    resolver = outside["resolver"]
    assert knock(kernel, [(resolver, 53), (resolver, 80)]) == [(resolver, 53)]


@pytest.mark.attack(12)
def test_a_container_has_no_second_way_out(kernel: Kernel) -> None:
    # No IPv6, for which there are no rules, and no other interface.
    assert kernel.ask("sorted(__import__('os').listdir('/sys/class/net'))") == ["eth0", "lo"]
    assert kernel.run("!cat /proc/net/if_inet6 2>/dev/null; true") == ""


def test_nothing_outside_reaches_a_students_container(
    mine: Server, kernel: Kernel, server: Verb, outside: dict[str, str]
) -> None:
    own = containers.address(server, mine.name)
    kernel.run("import socket; s = socket.create_server(('0.0.0.0', 5000))")
    script = f"import socket; socket.create_connection(({own!r}, %d), timeout=4)"
    server("exec", "python3", "-c", script % 8888)  # as the proxy does
    # A machine on the uplink that sends packets for the bridge to the server.
    route = f"ip route replace {own}/32 via {outside['uplink']}"
    for port in (8888, 5000):
        answer = server("outside", "sh", "-c", f'{route}; python3 -c "{script % port}" && echo open || echo shut')
        assert answer.split()[-1] == "shut", port


def test_without_the_internet_switch_a_student_reaches_the_hubs_api_alone(
    reload: Callable[[dict[str, Any]], None], mine: Server, gateway: str, api_port: int, outside: dict[str, str]
) -> None:
    doors = [(outside["internet"], 80), (outside["private"], 80), (gateway, api_port)]
    with mine.kernel() as kernel:
        assert knock(kernel, doors) == [doors[0], doors[2]]
        reload({"network": {"internet": False}})
        kernel.reconnect()
        assert knock(kernel, doors) == [doors[2]]


@pytest.mark.attack(10, 11)
def test_without_the_internet_switch_a_student_reaches_allowed_domains_alone(
    reload: Callable[[dict[str, Any]], None],
    new_student: Callable[[], Server],
    server: Verb,
    outside: dict[str, str],
) -> None:
    reload({"network": {"internet": False, "domains": ["pypi.example"]}})
    student, doors = new_student(), [(outside[name], 80) for name in ("internet", "internet2", "private", "metadata")]
    server("start", "resolver")
    try:
        student.start()
        with student.kernel() as kernel:
            assert knock(kernel, doors) == [], "no name was asked yet"
            assert kernel.ask("__import__('socket').gethostbyname('files.pypi.example')") == outside["internet"]
            assert knock(kernel, doors) == doors[:1]
            for name in ("evil.example", "data.notpypi.example", student.name):
                with pytest.raises(CodeError, match="gaierror"):
                    kernel.run(f"__import__('socket').gethostbyname({name!r})")
            assert knock(kernel, [(outside["resolver"], 53)]) == [], "only the name server of the class is open"
    finally:
        server("stop", "resolver")
        student.stop()


def test_an_allowed_private_network_is_reached_and_metadata_still_is_not(
    reload: Callable[[dict[str, Any]], None], mine: Server, outside: dict[str, str]
) -> None:
    doors = [(outside["private"], 80), (outside["private2"], 80), (outside["metadata"], 80)]
    reload({"network": {"allow": [f"{outside['private']}/32", "169.254.0.0/16"]}})
    with mine.kernel() as kernel:
        assert knock(kernel, doors) == [doors[0]]


@pytest.mark.attack(81)
def test_the_address_of_a_server_that_has_died_is_not_anothers(
    new_student: Callable[[], Server], server: Callable[..., str]
) -> None:
    """The proxy's route stays until the hub notices. Cookies and unsaved work must not reach the next student."""
    erin, mallory = new_student(), new_student()
    erin.start()
    address = containers.address(server, erin.name)
    server("docker", "kill", containers.identifier(server, erin.name))
    mallory.start()
    assert containers.address(server, mallory.name) != address
    answer = erin.write("exam.txt", "ERINS ANSWERS")
    assert answer.status_code >= 400
    assert mallory.get("api/contents/exam.txt").status_code == 404
    assert not erin.is_known
    erin.start()
    assert containers.address(server, erin.name) == address
    erin.stop()
    mallory.stop()
