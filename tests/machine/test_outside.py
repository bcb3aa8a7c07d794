"""What other hosts reach of a class: its pages, and nothing else."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from machine.machine import Machine, machine
from machine.outside import MACHINE, MACHINE_6, Outside
from machine.systems import build_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NFTABLES = "{ networking.nftables.enable = true; }"
IPTABLES = "{ networking.nftables.enable = false; }"
PAGES = {80, 443}
API = ("10.213.0.1", 8081)
"""Address where containers reach the hub."""


@pytest.fixture(scope="module", params=[IPTABLES, NFTABLES], ids=["iptables", "nftables"])
def server(
    request: pytest.FixtureRequest, root: Path, internet: Outside, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a class that other hosts reach, with a neighbour that sends everything for its networks to it."""
    system = build_system("minimal", "./acme.nix", request.param)
    with machine(tmp_path_factory.mktemp("server"), root, system, internet) as made:
        for unit in ("classroom-network", "classroom-images", "classroom-hub", "nginx"):
            made.wait_for_unit(unit)
        for network in ("10.213.0.0/20", "172.17.0.0/16"):
            internet.run("ip", "route", "replace", network, "via", MACHINE)
        yield made


@pytest.mark.parametrize("address", [MACHINE, MACHINE_6], ids=["IPv4", "IPv6"])
def test_only_the_pages_are_reached(server: Machine, internet: Outside, address: str) -> None:
    ports = listening(server, "--tcp")
    assert ports > PAGES, "there is nothing else that could be reached"
    with internet.network():
        assert reached(address, ports | {22, 53, 2375, 8000, 9100, 9113, 9835}) == PAGES


def test_no_program_waits_for_datagrams(server: Machine) -> None:
    assert listening(server, "--udp") == set()


def test_the_address_of_the_containers_is_for_containers(server: Machine, internet: Outside) -> None:
    host, port = API
    ports = listening(server, "--tcp")
    with server.network():
        assert reached(host, {port}) == {port}
    with internet.network():
        # The pages are at all addresses of the machine.
        assert reached(host, ports) <= PAGES
        assert reached("172.17.0.1", ports) <= PAGES


def test_a_students_server_is_not_reached(server: Machine, internet: Outside) -> None:
    image = server.run("docker", "image", "ls", "--quiet").split()[0]
    server.run("docker", "run", "--detach", "--name=student", "--network=classroom", image, "/bin/sleep", "1d")
    pid, address = server.run(
        "docker", "inspect", "--format={{.State.Pid}} {{.NetworkSettings.Networks.classroom.IPAddress}}", "student"
    ).split()
    listener = "import socket, time; s = socket.create_server(('', 8888)); time.sleep(600)"
    server.run(
        "systemd-run", "--unit=listener", "nsenter", f"--target={pid}", "--net", "/usr/bin/python3", "-c", listener
    )
    with server.network():
        assert asyncio.run(_until_open(address, 8888))
    with internet.network():
        assert reached(address, {8888}) == set()
        assert internet.run("ping", "-c", "1", "-W", "2", address, check=False).count("bytes from") == 0


def listening(server: Machine, kind: str) -> set[int]:
    """Return the ports of all sockets that wait for clients, of `--tcp` or `--udp`."""
    lines = server.run("ss", "--no-header", "--listening", "--numeric", kind).splitlines()
    return {int(match[1]) for line in lines if (match := re.search(r":(\d+)\s", line))}


def reached(address: str, ports: set[int]) -> set[int]:
    """Return the ports of an address that accept a connection from the network of this thread."""

    async def all_ports() -> list[bool]:
        return await asyncio.gather(*(_opens(address, port) for port in sorted(ports)))

    return {port for port, opens in zip(sorted(ports), asyncio.run(all_ports()), strict=True) if opens}


async def _opens(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 5)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _until_open(address: str, port: int) -> bool:
    for _ in range(100):
        if await _opens(address, port):
            return True
        await asyncio.sleep(0.1)
    return False
