"""A booted NixOS: `Machine` starts it, runs commands in it, switches it to another system, and cuts its power."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from behaviour.people import Visitor
from machine.roots import mount_layers
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine.outside import Outside
    from machine.world import World

URL = "http://127.0.0.1"
"""Address of a class without a domain, on the machine itself."""
# Without a colon at its end, Debian's units are left out.
_NIXOS_UNITS = "/etc/systemd/system:/run/systemd/system:/run/systemd/transient:/run/systemd/generator"
_BOOT = Path(__file__).with_name("boot.sh")
_CHOSEN = "the-instructor-has-a-password"
_PATH = "/run/current-system/sw/bin:/usr/sbin:/usr/bin"


class MachineError(AssertionError):
    """A machine did not do what was asked; the message has its answer."""


class Machine:
    """A machine of its own: a file system on top of a common root, a network namespace, systemd as process 1."""

    def __init__(self, directory: Path, root: Path, *, nixos: bool = True) -> None:
        """Remember where the machine's files are, without starting it.

        Args:
            directory: for its files and console.
            root: what `roots.machine_root` returns, with the package; it is not changed.
            nixos: the machine has this one's /nix/store and NixOS's units; otherwise what the root has.
        """
        self.directory = directory
        self.docker = directory / "docker"
        """The engine's data."""
        self._nixos = nixos
        self.host = ""
        self.console = directory / "console"
        self.outside: Outside | World | None = None
        """The other end of its uplink, if it has one."""
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self, toplevel: Path, *, wait: bool = True) -> None:
        """Boot a system.

        Args:
            toplevel: the system.
            wait: return when systemd has started what it starts; otherwise when systemd answers.

        Raises:
            MachineError: it does not come up.
        """
        tree = self._mount()
        (tree / "opt/toplevel").write_text(str(toplevel), encoding="utf-8")
        shutil.copy(_BOOT, tree / "opt/boot")
        if self.outside:
            (tree / "opt/outside").touch()
            self.outside.prepare(tree)
        environment = dict(os.environ)
        if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
            environment["UNIFIED_CGROUP_HIERARCHY"] = "0"
        command = [
            *("systemd-nspawn", "--quiet", f"--directory={tree}", "--machine=classroom", "--register=no"),
            *("--keep-unit", "--private-network", "--capability=all", "--system-call-filter=@keyring bpf"),
            *(("--bind-ro=/nix/store", f"--setenv=SYSTEMD_UNIT_PATH={_NIXOS_UNITS}") if self._nixos else ()),
            # The engine's layers: overlayfs cannot lie on overlayfs.
            *(f"--bind={self.docker}:/var/lib/docker", "--console=pipe", "/opt/boot"),
        ]
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment
            )
        self._init = wait_until(self._child, "the machine starts", 20)
        if self.outside:
            self.outside.connect(self._init)
        states = {"running", "degraded"} | (set() if wait else {"starting"})
        # The first boot loads the student image.
        wait_until(lambda: self._state() in states, f"the machine is up (its console: {self.console})", 300)

    def run(self, *command: str | Path, check: bool = True, timeout: float = 120, stdin: str | None = None) -> str:
        """Run a command on the machine as root and return its output.

        Raises:
            MachineError: it failed, and `check` is true.
        """
        done = subprocess.run(
            [*self.enter(), *map(str, command)],
            check=False,
            text=True,
            capture_output=True,
            timeout=timeout,
            input=stdin,
        )
        if check and done.returncode:
            raise MachineError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def status(self, url: str, *options: str) -> int:
        """Return the status of an answer to a request from the machine itself, 0 without one."""
        return int(self.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", *options, url, check=False))

    def enter(self) -> list[str]:
        """Return the beginning of a command line that runs a command on the machine."""
        environment = ("env", "-i", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8")
        return ["nsenter", f"--target={self._init}", "--all", *environment]

    @property
    def root(self) -> Path:
        """Return where this computer sees the running machine's root directory, with its /run."""
        return Path(f"/proc/{self._init}/root")

    def enter_network(self) -> list[str]:
        """Return the beginning of a command line that runs a command of this machine in the network of that one."""
        return ["nsenter", f"--target={self._init}", "--net"]

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread open connections in the network of the machine."""
        with network_of(self._init):
            yield

    def shell(self, script: str, *, check: bool = True, timeout: float = 120, stdin: str | None = None) -> str:
        """Run a shell script on the machine and return its output (see `run`)."""
        return self.run("sh", "-euc", script, check=check, timeout=timeout, stdin=stdin)

    def switch(self, toplevel: Path) -> str:
        """Switch to another system, as `nixos-rebuild test` does, and return what the switch printed."""
        return self.run(toplevel / "bin/switch-to-configuration", "test", timeout=300)

    def unit(self, name: str, prop: str) -> str:
        """Return a property of a unit, such as MainPID or ActiveState."""
        return self.run("systemctl", "show", "--value", f"--property={prop}", name).strip()

    def wait_for_unit(self, name: str, seconds: float = 90) -> None:
        """Wait until a unit is active.

        Raises:
            MachineError: it failed.
        """

        def is_active() -> bool:
            state = self.unit(name, "ActiveState")
            if state == "failed":
                raise MachineError(self.run("journalctl", "--no-pager", "--lines=40", f"--unit={name}"))
            return state == "active"

        wait_until(is_active, f"{name} is active", seconds)

    def wait_for_hub(self) -> None:
        """Wait until the hub answers through Nginx."""
        wait_until(lambda: self.status(f"{URL}/hub/health") == 200, "the hub answers", 90)

    def wait_for_end(self, name: str, seconds: float) -> None:
        """Wait until a unit has done its work, without an error."""
        wait_until(lambda: self.unit(name, "ActiveState") in {"inactive", "failed"}, f"{name} ends", seconds)
        assert self.unit(name, "Result") == "success", self.run("journalctl", "--no-pager", f"--unit={name}")

    def findings(self) -> list[dict[str, str]]:
        """Return the doctor's findings; each has `about`, `state`, `says` and `fix`."""
        findings: list[dict[str, str]] = json.loads(self.run("classroom", "doctor", "--json", check=False))["findings"]
        return findings

    def problems(self) -> list[dict[str, str]]:
        """Return what the doctor finds wrong."""
        return [finding for finding in self.findings() if finding["state"] == "wrong"]

    def first_password(self) -> str:
        """Return the instructor's one-time password."""
        return self.run("cat", "/var/lib/classroom/secrets/first-password-teacher").strip()

    def cut_power(self) -> None:
        """End all processes of the machine at once, as a power cut does. It can boot again."""
        if self._init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        if self._process:
            self._process.wait(30)
        self._init, self._process = 0, None

    def remove(self) -> None:
        """End the machine and remove its files."""
        self.cut_power()
        tree = self.directory / "tree"
        subprocess.run(["umount", "--recursive", tree], check=False, capture_output=True)
        subprocess.run(["chattr", "-R", "-i", self.directory / "changes/var/empty"], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", self.directory], check=False)

    def _mount(self) -> Path:
        self.docker.mkdir(parents=True, exist_ok=True)
        tree = self.directory / "tree"
        return tree if tree.is_mount() else mount_layers(str(self._root), self.directory)

    def _child(self) -> int:
        if self._process is None or self._process.poll() is not None:
            raise MachineError(f"the machine ended:\n{self.console.read_text(errors='replace')[-4000:]}")
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                # systemd-nspawn has other children before; process 1 of a namespace is 1 there (proc_pid_status(5)).
                status = Path(f"/proc/{child}/status").read_text(encoding="utf-8")
                if any(line.startswith("NSpid:") and line.endswith("\t1") for line in status.splitlines()):
                    return int(child)
        return 0

    def _state(self) -> str:
        if self._process is None or self._process.poll() is not None:
            raise MachineError(f"the machine ended:\n{self.console.read_text(errors='replace')[-4000:]}")
        return self.run("systemctl", "is-system-running", check=False).strip()


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Let this thread open connections in the network of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as own, Path(f"/proc/{pid}/ns/net").open("rb") as there:
        if libc.setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(own.fileno(), 0)


@contextlib.contextmanager
def machine(
    directory: Path, root: Path, toplevel: Path, outside: Outside | World | None = None, *, wait: bool = True
) -> Iterator[Machine]:
    """Boot a machine, and remove it afterwards; `wait` as in `Machine.boot`."""
    made = Machine(directory, root)
    made.outside = outside
    try:
        made.boot(toplevel, wait=wait)
        yield made
    finally:
        made.remove()


def set_password(made: Machine) -> str:
    """Replace the instructor's one-time password by one that a login does not have to change, and return it."""
    with made.network():
        instructor(made.first_password())
    return _CHOSEN


def instructor(password: str, url: str = URL) -> Visitor:
    """Return the instructor, who is logged in and has replaced a one-time password; within `Machine.network`."""
    admin = Visitor(url)
    answer = admin.sign_in("teacher", password)
    if answer.url.path == "/hub/change-password":
        admin.post(str(answer.url), {"new_password": _CHOSEN, "new_password_confirmation": _CHOSEN})
    return admin
