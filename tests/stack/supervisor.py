"""Supervisor: it starts the parts inside the stack's namespaces and serves `ctl` over a socket until its end."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.settings.file import load_settings
from stack import deployment, world
from stack.common import REPOSITORY, SYSTEM_PATH, StackError, run, search_path
from stack.parts import Part
from support.processes import classroom
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stack.layout import Layout

PARTS = ("engine", "filter", "nginx", "proxy", "hub")
"""Parts that a stack starts with."""
ALL_PARTS = (*PARTS, "homes", "resolver")
"""The helper for homes and the name server are started by the tests that need them."""
_SHIMS = ("dnsmasq", "ip", "nft", "iptables", "iptables-restore")


class Supervisor:
    """The parts of one stack."""

    def __init__(self, layout: Layout, root: Path) -> None:
        self.layout = layout
        self.root = root
        self.ended = threading.Event()
        self._root_holder: subprocess.Popen[bytes] | None = None
        self._world: world.World | None = None
        self.parts = {part.name: part for part in self._make_parts()}

    # -- namespaces ---------------------------------------------------------------------------------------------------

    def make_ground(self) -> None:
        """Create the network, the outside world and the engine's root."""
        for program in _SHIMS:
            self._write_shim(program, f"chroot {self.root} {program}")
        os.environ["PATH"] = f"{self.layout.directory}/bin:{search_path()}"
        run(["mount", "-t", "proc", "proc", self.root / "proc"])  # seen in this mount namespace only
        run(["ip", "link", "set", "lo", "up"])
        # Each start of a container would give an interface an IPv6 address, and Chromium aborts requests at each
        # change of the machine's addresses (ERR_NETWORK_CHANGED). Browsers are on other machines than containers.
        Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1", encoding="ascii")
        # Nginx listens on the gateway of the class bridge before the bridge exists.
        Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1", encoding="ascii")
        self._make_world()
        self.layout.engine_data.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", self.layout.engine_data, self.layout.engine_root])
        script = Path(__file__).with_name("enter-root.sh")
        places = [self.root, self.layout.directory, self.layout.engine_data, self.layout.directory / "cdi"]
        command = ["unshare", "--mount", "sh", script, *places]
        with self.layout.log("root").open("ab") as log:
            self._root_holder = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ready = self.layout.run / "root-is-ready"
        holder = self._root_holder
        wait_until(lambda: ready.exists() or holder.poll() is not None, "the engine's root is entered", 20)
        if holder.poll() is not None:
            raise StackError(f"the engine's root cannot be entered:\n{self.layout.log('root').read_text()}")
        self._write_shim("docker", shlex.join([*self.in_root(), "docker"]))

    def _write_shim(self, program: str, command: str) -> None:
        shim = self.layout.directory / "bin" / program
        shim.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)

    def _make_world(self) -> None:
        self._world = world.World(self.layout.log("world"), self.layout.directory / "bin/ip")
        run(["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "world", "netns", str(self._world.pid)])
        run(["ip", "address", "add", f"{world.UPLINK}/24", "dev", "uplink"])
        run(["ip", "link", "set", "uplink", "up"])
        run(["ip", "route", "add", "default", "via", world.GATEWAY])
        self._world.serve()
        # A service of the server that listens on all addresses, like a badly configured database.
        world.serve(world.servers("0.0.0.0", 9000)[:1])  # noqa: S104 - inside the stack's namespace

    # -- parts --------------------------------------------------------------------------------------------------------

    def _make_parts(self) -> list[Part]:
        layout = self.layout

        def python(*arguments: str) -> Callable[[], Sequence[str]]:
            return lambda: classroom(*arguments, "--settings", layout.settings)

        return [
            Part(
                "engine",
                lambda: [*self.in_root(), "dockerd", "--config-file", f"{layout.directory}/daemon.json"],
                lambda: answers(layout.docker_socket, "/_ping") == 200,
                layout.log("engine"),
                self.environment,
            ),
            Part(
                "filter",
                python("engine-filter", "--listen", str(layout.filter_socket)),
                layout.filter_socket.exists,
                layout.log("filter"),
                self.environment,
                prepare=lambda: layout.filter_socket.unlink(missing_ok=True),
            ),
            Part(
                "nginx",
                lambda: [*self.in_root(), "nginx", "-e", "stderr", "-c", f"{layout.directory}/nginx.conf"],
                lambda: answers(f"127.0.0.1:{deployment.PORT}", "/") is not None,
                layout.log("nginx"),
                self.environment,
                prepare=lambda: deployment.write_nginx(layout),
            ),
            Part(
                "proxy",
                python("proxy"),
                lambda: answers(layout.run / "proxy-api.sock", "/api/routes") is not None,
                layout.log("proxy"),
                self.environment,
            ),
            Part(
                "hub",
                python("hub"),
                lambda: answers(deployment.HUB, "/hub/health") == 200,
                layout.log("hub"),
                self.environment,
                prepare=self._network_up,
            ),
            Part(
                "resolver",
                python("network", "resolver"),
                lambda: listens(str(load_settings(layout.settings, {}).network.gateway), 53),
                layout.log("resolver"),
                self.environment,
            ),
            Part(
                "homes",
                python("homes-helper", "--listen", str(layout.homes_socket)),
                layout.homes_socket.exists,
                layout.log("homes"),
                self.environment,
                prepare=lambda: layout.homes_socket.unlink(missing_ok=True),
            ),
        ]

    def in_root(self) -> list[str]:
        """Return the prefix of a command that runs inside the engine's root."""
        if self._root_holder is None:
            raise StackError("the engine's root is not there yet")
        return ["nsenter", f"--target={self._root_holder.pid}", "--mount", "--", "env", f"PATH={SYSTEM_PATH}"]

    def in_world(self) -> list[str]:
        """Return the prefix of a command that runs in the outside world."""
        if self._world is None:
            raise StackError("the outside world is not there yet")
        return self._world.enter()

    def environment(self) -> dict[str, str]:
        """Return the environment of all parts and of commands that tests run on the server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTERHUB", "DOCKER_"))}
        python_path = [str(REPOSITORY / "python/src"), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
        scripts = Path(sys.executable).parent
        return kept | {
            "PATH": f"{self.layout.directory}/bin:{scripts}:{search_path()}",
            "PYTHONPATH": ":".join(part for part in python_path if part),
            "CLASSROOM_SETTINGS": str(self.layout.settings),
            "DOCKER_HOST": f"unix://{self.layout.docker_socket}",
            "HOME": "/root",
        }

    def _network_up(self) -> None:
        # While the engine is down, bridge and rules do not change, even if the hub is restarted.
        if self.parts["engine"].running:
            run(classroom("network", "up", "--settings", self.layout.settings), environment=self.environment())

    def docker(self) -> list[str]:
        """Return the prefix of a command of Docker's client."""
        return [*self.in_root(), "docker", "-H", f"unix://{self.layout.docker_socket}"]


def answers(where: Path | str, path: str) -> int | None:
    """Return the status of a GET over a Unix socket or address:port; None without an answer."""
    connection = http.client.HTTPConnection(where if isinstance(where, str) else "localhost", timeout=5)
    try:
        if isinstance(where, Path):
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(5)
            connection.sock.connect(str(where))
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def listens(address: str, port: int) -> bool:
    """Return whether a program accepts TCP connections."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def log(text: str) -> None:
    """Write a line to the supervisor's log, which is its standard output."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main(layout: Layout, root: Path, *, keep: bool) -> int:
    """Create the namespaces and serve requests until the end. All processes die with this one's parent, process 1.

    Unless `keep`, the end of standard input is the end of the stack: however the process that started it died.
    """
    from stack.control import serve  # noqa: PLC0415 - it needs Supervisor

    supervisor = Supervisor(layout, root)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.ended.set())
    if not keep:
        threading.Thread(target=_watch_input, args=(supervisor.ended,), daemon=True).start()
    status = 0
    try:
        supervisor.make_ground()
        serve(supervisor)
        (layout.run / "ready").touch()
        supervisor.ended.wait()
    except Exception as error:  # noqa: BLE001 - the reason is reported
        text = str(error) if isinstance(error, (StackError, TimeoutError)) else traceback.format_exc()
        (layout.run / "failure").write_text(text, encoding="utf-8")
        log(text)
        status = 1
    return status


def _watch_input(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()
