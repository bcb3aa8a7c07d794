"""Actions of the probe (sandbox.py) that each unit of the class is allowed: what it is for, and no other."""

from __future__ import annotations

# Python creates callbacks at run time. systemd removes the memory of a unit's user when the unit ends.
_EVERY = {"map writable code", "leave shared memory", "write /dev/shm/tried"}
_HUBS_USER = {
    "read /var/lib/classroom/jupyterhub.sqlite",
    "write /var/lib/classroom",
    "reach /run/classroom-homes.sock",
}
NETWORK = {"open an IPv4 socket", "reach 127.0.0.1:8443"}
_ENGINE = {"reach /run/docker.sock"}
# Units without PrivateUsers see the owners of files.
_OWNERS = {"see users"}
# Root owns most files without a capability.
_ROOT = {"have capabilities", "see 1", "read /etc/shadow"} | _OWNERS
ALLOWED: dict[str, set[str]] = {
    "classroom-hub": _EVERY
    | _HUBS_USER
    | NETWORK
    | {"reach /run/classroom-engine.sock", "choose its processors", "read the memory's size"},
    "classroom-proxy": _EVERY | _HUBS_USER | NETWORK | {"let others read its files", "write /run/classroom"},
    "classroom-engine": _EVERY | _ENGINE | _OWNERS,
    "classroom-images": _EVERY | _ENGINE | _OWNERS | NETWORK,
    "classroom-gpus": _EVERY
    | {"let others read its files", "read the memory's size", "see 1", "write /run/classroom-gpus"},
    "classroom-resolver": _EVERY | NETWORK | _OWNERS | {"have capabilities", "talk to the kernel by netlink"},
    "classroom-network-watch": _EVERY | _OWNERS | {"have capabilities", "talk to the kernel by netlink"},
    "classroom-network": _EVERY
    | _ENGINE
    | NETWORK
    | _ROOT
    | {
        *("talk to the kernel by netlink", "reach /run/docker/containerd/containerd.sock"),
        *("read /run/secrets/cookie", "read /var/lib/docker/engine-id"),
    },
    "classroom-homes": _EVERY | _ROOT | {"set owners", "write /srv/homes"},
    # It reads homes and secrets, and its repository may be anywhere.
    "classroom-backup": _EVERY
    | _ENGINE
    | NETWORK
    | _ROOT
    | {
        *("set owners", "reach /run/classroom-engine.sock", "reach /run/classroom-homes.sock"),
        *("reach /run/docker/containerd/containerd.sock", "read /run/secrets/cookie", "read /var/lib/docker/engine-id"),
        *("read /home/ada/tried/note", "read /root/tried/note", "read /run/user/tried/note"),
        *("read /var/lib/classroom/jupyterhub.sqlite", "write /var/lib/classroom", "write /var/lib/docker"),
        *(f"write {place}/tried" for place in ("", "/opt", "/srv", "/var", "/var/lib", "/var/log", "/var/backup")),
        "write /srv/homes",
    },
}
