"""Sandboxes of units: `allowed` runs probe.py in the place of a unit's program and returns what succeeded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from machine.probe import KERNEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from machine.machine import Machine

# Below each of these every user could write: what is refused there is refused by the unit.
_OPEN = (
    *(
        "/",
        "/etc",
        "/usr",
        "/opt",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/backup",
        "/srv",
        "/home",
        "/home/ada",
        "/root",
    ),
    *("/run", "/var/tmp", "/tmp", "/dev/shm"),
)
_WRITE = (
    *(f"{place.rstrip('/')}/tried" for place in _OPEN),
    *("/dev", "/srv/homes", "/var/lib/classroom", "/var/lib/docker", "/run/secrets", "/run/classroom"),
    "/run/classroom-gpus",
)
_READ = (
    *("/root/tried/note", "/home/ada/tried/note", "/tmp/tried/note", "/run/user/tried/note"),
    *("/usr/lib/modules/tried/note", "/etc/shadow", "/var/lib/docker/engine-id", "/run/secrets/cookie"),
    *("/var/lib/classroom/jupyterhub.sqlite", "/run/credentials/classroom-hub.service/cookie-secret"),
)
_REACH = (
    *("/run/docker.sock", "/run/docker/containerd/containerd.sock", "/run/dbus/system_bus_socket"),
    *("/run/systemd/private", "/run/classroom-engine.sock", "/run/classroom-homes.sock", "127.0.0.1:8443"),
)
_WORDS = (
    *(f"write={place}" for place in _WRITE),
    *(f"read={file}" for file in _READ),
    *(f"reach={address}" for address in _REACH),
    "see=1",
)
ACTIONS = frozenset({*KERNEL, *(word.replace("=", " ", 1) for word in _WORDS)})
"""Names of all actions that are tried."""

_PREPARE = f"""
for place in {" ".join(_OPEN)} /run/user /usr/lib/modules; do
    mkdir -p $place/tried
    chmod 1777 $place/tried
    echo secret >$place/tried/note
    chmod 644 $place/tried/note
done
chmod o+x /home/ada /root /run/user
touch /srv/tried/of-nobody-else
chown 4242 /srv/tried/of-nobody-else
for group in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    if [ -d $group ]; then mkdir -p $group/tried; chmod 777 $group/tried; break; fi
done
cp /bin/sh /usr/local/tried-suid
chmod 4755 /usr/local/tried-suid
[ -e /dev/tried ] || mknod -m 666 /dev/tried c 1 11
cat >/opt/probe.py
"""
# What makes a unit a service that runs on; and a directory that running units use must stay.
_OTHER_PROGRAM = {"ExecStart", "ExecReload", "Restart", "RestartSec", "RemainAfterExit", "RuntimeDirectoryPreserve"}


def prepare(machine: Machine) -> None:
    """Make the files, directories and devices that the probe tries."""
    machine.shell(_PREPARE, stdin=Path(__file__).with_name("probe.py").read_text(encoding="utf-8"))


def allowed(machine: Machine, unit: str, without: Iterable[str] = (), more: Iterable[str] = ()) -> frozenset[str]:
    """Return the actions that a unit's program can do.

    Args:
        machine: on which `prepare` was called.
        unit: its name, without .service.
        without: directives to leave out.
        more: lines to add.
    """
    lines = [
        line for line in _service_lines(machine, unit) if line.partition("=")[0] not in {*_OTHER_PROGRAM, *without}
    ]
    program = f"ExecStart=/usr/bin/python3 /opt/probe.py {' '.join(_WORDS)}"
    output = "StandardOutput=truncate:/run/tried.json"
    text = "\n".join(["[Service]", *lines, "Type=oneshot", "RuntimeDirectoryPreserve=yes", program, output, *more, ""])
    machine.shell(f"cat >/run/systemd/system/tried-{unit}.service; systemctl daemon-reload", stdin=text)
    machine.run("systemctl", "start", f"tried-{unit}")
    return frozenset(json.loads(machine.run("cat", "/run/tried.json")))


def _service_lines(machine: Machine, unit: str) -> list[str]:
    """Return the lines of a unit's section Service, drop-ins included."""
    lines, section = [], ""
    for line in machine.run("systemctl", "cat", f"{unit}.service").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            lines.append(line)
    return lines
