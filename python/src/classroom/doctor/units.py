"""Service managers of a class, systemd or Docker Compose: failed units, and commands that start a part."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from classroom import process
from classroom.doctor.checks import ok, wrong
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.doctor.checks import Finding

ABOUT = "units"
_RUNS = Path("/run/systemd/system")  # sd_booted(3)
_WITH_SECRETS = ("classroom-hub", "classroom-proxy", "classroom-backup")
_LOAD_CREDENTIAL = re.compile(r"^LoadCredential=[^:\s]+:(/.*)$", re.MULTILINE)
_OURS = re.compile(r"(classroom-|docker|containerd|nginx|nvidia-|acme-|cloudflared-).*")
_TIMEOUT = 5  # seconds
_CREDENTIALS = Path("/run/credentials")
_CONTAINER = "CLASSROOM_CONTAINER"  # images/hub.nix sets it
# The commands of an operator in the directory of images/compose/compose.yaml.
_COMPOSE = (
    ("sudo classroom doctor", "docker compose run --rm doctor"),
    ("classroom engine-filter.*", "docker compose restart engine"),
    ("classroom (hub|proxy)|(nginx)", r"docker compose restart \1\2"),
    ("classroom network up(.*)", r"docker compose restart network\1"),
    ("classroom backup create /srv/backups/classroom", "docker compose run --rm backup create /backups/classroom"),
    ("classroom backup (.*)", r"docker compose run --rm backup \1"),
    # A container that starts again and again runs no other command.
    ("classroom (upgrade .*)", r"docker compose run --rm hub \1"),
    ("(classroom (?!gpus (?:sample|mps)$).*)", r"docker compose exec hub \1"),
    ("(chmod|chown|rm) (.*/var/lib/classroom.*)", r"docker compose run --rm --entrypoint \1 backup \2"),
    ("journalctl -b -e -u classroom-(.*)", r"docker compose logs \1"),
    ("dockerd, .*|restart dockerd", "systemctl restart docker"),
)


def is_systemd_running() -> bool:
    """Return whether systemd runs this machine."""
    return _RUNS.is_dir()


def restart(unit: str, otherwise: str) -> str:
    """Return the command that restarts a part.

    Args:
        unit: its unit on NixOS.
        otherwise: the command where systemd does not run.
    """
    return f"systemctl restart {unit}" if is_systemd_running() else otherwise


def prop(unit: str, name: str) -> str:
    """Return a property of a unit, such as ActiveState; empty where systemd does not run."""
    return call_systemctl("show", "--value", f"--property={name}", unit).strip() if is_systemd_running() else ""


def main_pid(unit: str) -> int | None:
    """Return the process ID of a unit's main process; None where it does not run or systemd does not."""
    return int(prop(unit, "MainPID") or 0) or None


def journal(unit: str, lines: int = 100) -> str:
    """Return the last lines that a unit wrote since the boot; empty where systemd does not run."""
    if not is_systemd_running():
        return ""
    return _call("journalctl", "--no-pager", "--boot", "--output=cat", f"--lines={lines}", f"--unit={unit}")


def in_container() -> bool:
    """Return whether this process runs in a container of Docker Compose, which sees little of the machine."""
    return _CONTAINER in os.environ


def operator_command(command: str) -> str:
    """Return a command as the operator types it on the machine, not in a container."""
    if in_container():
        for pattern, replacement in _COMPOSE:
            if match := re.fullmatch(pattern, command):
                return match.expand(replacement)
    return command


def credential(unit: str, name: str) -> Path:
    """Return the path of a unit's credential; root may read it (systemd.exec(5))."""
    return _CREDENTIALS / f"{unit}.service" / name


def check_units() -> Iterable[Finding]:
    """Check for failed units of the class and of its dependencies."""
    if is_systemd_running():
        yield from inspect_units(call_systemctl("list-units", "--state=failed", "--plain", "--no-legend", "--full"))
        yield from inspect_secrets({unit: call_systemctl("cat", f"{unit}.service") for unit in _WITH_SECRETS})


def inspect_units(listed: str) -> Iterable[Finding]:
    """Return the findings from `systemctl list-units --plain --no-legend`."""
    failed = [line.split()[0] for line in listed.splitlines() if line.split() and _OURS.match(line.split()[0])]
    for unit in failed:
        yield wrong(ABOUT, f"{unit} has failed.", f"journalctl -b -e -u {unit}")
    if not failed:
        yield ok(ABOUT, "No unit of the class has failed.")


def inspect_secrets(texts: Mapping[str, str]) -> Iterable[Finding]:
    """Return whether files of secrets are missing, for which units wait: systemd says so in the journal only.

    Args:
        texts: of units, as `systemctl cat` prints them.
    """
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for unit, text in texts.items():
        for file in _LOAD_CREDENTIAL.findall(text):
            if not Path(file).exists():
                waiting[file].append(unit)
    if waiting:
        names = sorted({unit for units in waiting.values() for unit in units})
        says = (
            f"Without {', '.join(waiting)} these units do not start: {', '.join(names)}. They try again by themselves."
        )
        yield wrong(ABOUT, says, f"ls -l {' '.join(waiting)}")


def call_systemctl(*words: str) -> str:
    """Return the output of systemctl; empty if it fails."""
    return _call("systemctl", "--no-pager", *words)


def _call(*command: str) -> str:
    try:
        return process.run(command, check=False, timeout=_TIMEOUT).stdout
    except ClassroomError:
        return ""
