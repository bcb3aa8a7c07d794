"""The Internet of a machine: another host at the end of its uplink, with a router, a name server and an ACME server.

It is a network namespace of its own. From there only what the machine offers to everybody can be reached.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from machine.acme_server import AcmeServer
from machine.machine import network_of
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE = "192.0.2.10"
MACHINE_6 = "2001:db8::10"
ROUTER, ACME = "192.0.2.1", "192.0.2.2"
ROUTER_6 = "2001:db8::1"
BROWSER = "203.0.113.7"
"""Address of a browser that is many networks away."""
ELSEWHERE = "203.0.113.99"
"""Address of a machine that is not the class's."""
TSIG = "aGVyZSBpcyBhIGtleSBvZiB0aGVzZSB0ZXN0cyBvbmx5"
"""Key with which the zone may be changed (RFC 8945), in Base64."""
PACKAGES = ("knot", "lego", "pebble")
"""Debian packages of the tests with an Internet."""

_ZONE = f"""
$ORIGIN example.org.
$TTL 1
@ SOA ns admin 1 3600 600 86400 1
@ NS ns
ns A {ROUTER}
acme A {ACME}
"""
_KNOT = """
server:
  listen: [{router}, "{router_6}"]
  rundir: {directory}
database:
  storage: {directory}
key:
  - id: class
    algorithm: hmac-sha256
    secret: {tsig}
acl:
  - id: class
    key: class
    action: update
zone:
  - domain: example.org
    storage: {directory}
    file: zone
    acl: class
control:
  listen: {directory}/control
"""


def missing() -> str:
    """Return why there can be no Internet here; empty if there can."""
    programs = {"knot": "knotd", "lego": "lego", "pebble": "pebble"}
    lacking = [package for package in PACKAGES if not shutil.which(programs[package], path=_PATH)]
    return f"no name server or ACME server (tests/install-packages {' '.join(lacking)})" if lacking else ""


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


class Outside:
    """A host at the other end of a machine's uplink."""

    def __init__(self, directory: Path) -> None:
        """Start it, with records of the class's host names that lead to the machine.

        Args:
            directory: for its files.
        """
        directory.mkdir(parents=True, exist_ok=True)
        # A socket's path has at most 107 bytes.
        self._knot = Path(tempfile.mkdtemp(prefix="classroom-dns-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log = directory / "log"
        (directory / "resolv.conf").write_text(f"nameserver {ROUTER}\n", encoding="ascii")
        script = f"mount --bind {directory}/resolv.conf /etc/resolv.conf && exec sleep infinity"
        self._host = self._start("unshare", "--net", "--mount", "sh", "-c", script)
        wait_until(self._is_apart, "the host outside starts", 10)
        for words in ("link set lo up", *(f"address add {own} dev lo" for own in (ROUTER, ACME, BROWSER))):
            self.run("ip", *words.split())
        self.run("ip", "address", "add", ROUTER_6, "dev", "lo")
        self._start_dns()
        self.acme = AcmeServer(directory / "acme", ACME, ROUTER)

    def prepare(self, tree: Path) -> None:
        """Give a machine what it needs before its boot: the authority of the ACME server's own certificate."""
        shutil.copy(self.acme.authority, tree / "opt/acme-authority.pem")

    def connect(self, pid: int) -> None:
        """Connect the uplink of a machine, whose process 1 has this number."""
        self.run("ip", "link", "delete", "machine", check=False)
        self.run(*f"ip link add machine type veth peer name outside netns {pid}".split())
        self.run("ip", "link", "set", "machine", "up")
        self.run(*f"ip route add {MACHINE} dev machine src {BROWSER}".split())
        self.run("ip", "address", "add", f"{ROUTER_6}/64", "dev", "machine", "nodad")

    def start_acme(self) -> None:
        """Start the ACME server."""
        self.acme.start(self.enter())

    def set_record(self, name: str, kind: str, *values: str) -> None:
        """Replace the records of a name below example.org; without values there are none."""
        self._control("zone-begin", "example.org")
        self._control("zone-unset", "example.org", name, kind, check=False)
        for value in values:
            self._control("zone-set", "example.org", name, "1", kind, value)
        self._control("zone-commit", "example.org")

    def run(self, *command: str | Path, check: bool = True, timeout: float = 60) -> str:
        """Run a command there, with its network and its name server, and return its output."""
        done = subprocess.run(
            [*self.enter(), *map(str, command)], check=False, text=True, capture_output=True, timeout=timeout
        )
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def curl(self, *options: str) -> str:
        """Return the output of curl, which trusts certificates of the ACME server only; empty without an answer."""
        root = self.acme.root if self.acme.root.exists() else self.acme.authority
        return self.run("curl", "-s", "--max-time", "10", "--cacert", root, *options, check=False)

    def enter(self) -> list[str]:
        """Return the beginning of a command line that runs a command there."""
        return ["nsenter", f"--target={self._host.pid}", "--net", "--mount", "env", f"PATH={_PATH}"]

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread open connections there."""
        with network_of(self._host.pid):
            yield

    def remove(self) -> None:
        """End it."""
        self.acme.stop()
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        shutil.rmtree(self._knot)

    def _start_dns(self) -> None:
        (self._knot / "zone").write_text(_ZONE, encoding="ascii")
        text = _KNOT.format(router=ROUTER, router_6=ROUTER_6, directory=self._knot, tsig=TSIG)
        (self._knot / "knot.conf").write_text(text, encoding="ascii")
        self._start(*self.enter(), "knotd", "--config", self._knot / "knot.conf")
        wait_until(lambda: "example.org" in self._control("zone-status", check=False), "the name server answers", 20)
        for name in ("hub", "servers"):
            self.set_record(name, "A", MACHINE)
            self.set_record(name, "AAAA", MACHINE_6)

    def _control(self, *words: str, check: bool = True) -> str:
        return self.run("knotc", "--socket", self._knot / "control", *words, check=check)

    def _start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def _is_apart(self) -> bool:
        program = Path(f"/proc/{self._host.pid}/comm").read_text(encoding="utf-8").strip()
        assert self._host.poll() is None, self._log.read_text(errors="replace")
        return program == "sleep"


@contextlib.contextmanager
def outside(directory: Path) -> Iterator[Outside]:
    """Start a host outside, and end it afterwards."""
    made = Outside(directory)
    try:
        yield made
    finally:
        made.remove()
