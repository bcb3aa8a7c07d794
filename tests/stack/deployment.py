"""The class that the stack runs: its settings, Nginx around the project's own directives, simulated GPUs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from classroom.hub.nginx import NginxSite, render_nginx_config
from classroom.settings.file import load_settings
from stack.common import REPOSITORY
from stack.world import ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stack.layout import Layout

PORT = 8000
HUB = "127.0.0.1:8081"
ADMIN = "teacher"
GPUS = 4


def settings(layout: Layout, proxy: Sequence[str]) -> dict[str, Any]:
    """Return the first settings.json of the tests; `ctl reload` merges into it."""
    return {
        "site": {"externalUrl": f"http://127.0.0.1:{PORT}/"},
        "paths": {"state": str(layout.state), "runtime": str(layout.run), "images": str(layout.directory / "images")},
        "admins": [ADMIN],
        "hub": {"listen": HUB},
        "proxy": {
            "listen": f"unix:{layout.run}/proxy.sock",
            "api": f"unix:{layout.run}/proxy-api.sock",
            "command": [*proxy, f"--error-path={_directives(layout)}/pages"],
        },
        "docker": {"host": f"unix://{layout.docker_socket}", "filter": str(layout.filter_socket)},
        "network": {"resolvers": [ADDRESSES["resolver"]]},
        "storage": {"helper": str(layout.homes_socket)},
        "gpu": {"cdiDirs": [str(layout.directory / "cdi")]},
        "student": {
            "environment": {
                "PIP_INDEX_URL": f"http://{ADDRESSES['internet']}/simple/",
                "PIP_TRUSTED_HOST": ADDRESSES["internet"],
            }
        },
    }


def merge(into: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a JSON Merge Patch (RFC 7386): objects are merged, null removes, anything else replaces."""
    result = dict(into)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def daemon(layout: Layout) -> dict[str, Any]:
    """Return the engine's configuration: that of the NixOS module with other paths."""
    return {
        "hosts": [f"unix://{layout.docker_socket}"],
        "pidfile": "/run/docker.pid",
        "data-root": str(layout.engine_root),
        "features": {"cdi": True},
        "cdi-spec-dirs": ["/etc/cdi"],
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": "5m", "max-file": "2"},
        # PID 1 here is a process of the stack, so there is no systemd to manage control groups.
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": layout.cgroup,
        "storage-driver": "overlay2",
        "userland-proxy": False,
    }


def fake_gpus(count: int = GPUS) -> dict[str, Any]:
    """Return a CDI specification of simulated GPUs: each is only a variable.

    (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md).
    """

    def device(name: str, numbers: str) -> dict[str, Any]:
        return {"name": name, "containerEdits": {"env": [f"FAKE_GPU={numbers}"]}}

    numbers = [str(number) for number in range(count)]
    devices = [device(number, number) for number in numbers]
    return {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [*devices, device("all", ",".join(numbers))]}


def write(layout: Layout, proxy: Sequence[str]) -> None:
    """Write all files that are the same for the life of a stack, and settings.json as the tests begin with it."""
    layout.settings.write_text(json.dumps(settings(layout, proxy), indent=2), encoding="utf-8")
    (layout.directory / "daemon.json").write_text(json.dumps(daemon(layout)), encoding="utf-8")
    (layout.directory / "cdi/nvidia.json").write_text(json.dumps(fake_gpus()), encoding="utf-8")


def write_nginx(layout: Layout) -> None:
    """Write nginx.conf for the current settings, and a copy of the project's directives."""
    shutil.copytree(REPOSITORY / "modules/nginx", _directives(layout), dirs_exist_ok=True)
    directory = layout.directory / "nginx-run"
    directory.mkdir(exist_ok=True)
    front = NginxSite(directives=_directives(layout), directory=directory, listen=(f"0.0.0.0:{PORT}",), user="root")
    (layout.directory / "nginx.conf").write_text(
        render_nginx_config(load_settings(layout.settings, {}), front), encoding="utf-8"
    )


def _directives(layout: Layout) -> Path:
    return layout.directory / "nginx"
