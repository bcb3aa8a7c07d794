"""Limits of the firewall on one container, with the kernel's own table of connections, in network namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

# A machine with the class bridge, two containers on it and an address outside. It prints what each program was given.
SCRIPT = r"""
import json, os, pathlib, subprocess, sys, time
from classroom.docker.firewall import firewall_rules
from classroom.settings.models import Network
def sh(command): subprocess.run(command, shell=True, check=True)
sh("ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward; ip link add classroom0 type bridge;"
   "ip address add 10.213.0.1/20 dev classroom0; ip link set classroom0 up")
inside = {}
def program(name, code, *words):
    enter = ["nsenter", f"--target={inside[name]}", "--net"] if name else []
    return [*enter, sys.executable, "-c", code, *map(str, words)]
def host(name, address, gateway):
    own = os.readlink("/proc/self/ns/net")
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    while os.readlink(f"/proc/{process.pid}/ns/net") == own: time.sleep(0.01)
    inside[name], enter = process.pid, f"nsenter --target={process.pid} --net ip"
    sh(f"ip link add v{name} type veth peer name eth0 netns {process.pid}; ip link set v{name} up")
    sh("ip address add 192.0.2.2/24 dev vout" if name == "out" else f"ip link set v{name} master classroom0")
    sh(f"{enter} link set lo up; {enter} address add {address} dev eth0; {enter} link set eth0 up;"
       f"{enter} route add default via {gateway}")
host("ada", "10.213.0.2/20", "10.213.0.1"); host("ben", "10.213.0.3/20", "10.213.0.1")
host("out", "192.0.2.1/24", "192.0.2.2")
sh(f"nsenter --target={inside['out']} --net ip address add 203.0.113.10/32 dev eth0")
sh("ip route add 203.0.113.0/24 via 192.0.2.1")
subprocess.run(["nft", "-f", "-"], input=firewall_rules(Network(), ()), text=True, check=True)
accept = '''
import socket, sys
server, held = socket.create_server((sys.argv[1], 7000 if sys.argv[1][0] == "2" else 8081), backlog=4096), []
print("listens", flush=True)
while True: held.append(server.accept())
'''
hold = '''
import socket, sys
held = []
for _ in range(int(sys.argv[3])):
    try: held.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), 2))
    except OSError: break
print(len(held))
'''
flood = '''
import contextlib, socket
out = socket.socket(type=socket.SOCK_DGRAM)
for port in range(2000, 22000):
    with contextlib.suppress(OSError): out.sendto(b"x", ("203.0.113.10", port))
'''
for name, address in (("out", "203.0.113.10"), ("", "10.213.0.1")):
    listening = subprocess.Popen(program(name, accept, address), stdout=subprocess.PIPE)
    listening.stdout.readline()
def held(name, address, port, number):
    return int(subprocess.run(program(name, hold, address, port, number), capture_output=True, check=True).stdout)
subprocess.run(program("ada", flood), check=True)
print(json.dumps({
    "flows": int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()),
    "ada after the flood": held("ada", "203.0.113.10", 7000, 20),
    "ben": held("ben", "203.0.113.10", 7000, 900),
    "ada with 3000": held("ada", "203.0.113.10", 7000, 3000),
    "ada to the hub": held("ada", "10.213.0.1", 8081, 300),
    "ben to the hub": held("ben", "10.213.0.1", 8081, 40),
}))
"""
TOOLS = ("nft", "ip", "unshare", "nsenter")


@pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason=f"needs root and {', '.join(TOOLS)}")
def test_one_container_takes_a_bounded_part_of_the_machines_connections() -> None:
    namespaces = ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"]
    command = [*namespaces, sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("flows") < 1100
    assert 900 <= found.pop("ada with 3000") < 1100
    assert found == {"ada after the flood": 20, "ben": 900, "ada to the hub": 64, "ben to the hub": 40}
