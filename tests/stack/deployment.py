"""The class that the stack runs: its settings, Nginx around the project's own directives, simulated GPUs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from stack.common import REPOSITORY
from stack.world import ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stack.layout import Layout

PORT = 8000
HUB = "127.0.0.1:8081"
ADMIN = "teacher"
GPUS = 4


def settings(layout: Layout, proxy: Sequence[str]) -> dict[str, Any]:
    """settings.json as the tests begin with it; `ctl reload` merges into it."""
    return {
        "site": {"externalUrl": f"http://127.0.0.1:{PORT}/"},
        "paths": {"state": str(layout.state), "runtime": str(layout.run)},
        "admins": [ADMIN],
        "hub": {"listen": HUB},
        "proxy": {
            "listen": f"unix:{layout.run}/proxy.sock",
            "api": f"unix:{layout.run}/proxy-api.sock",
            "command": list(proxy),
        },
        "docker": {"host": f"unix://{layout.docker_socket}"},
        "network": {"resolvers": [ADDRESSES["resolver"]]},
        "student": {
            "environment": {
                "PIP_INDEX_URL": f"http://{ADDRESSES['internet']}/simple/",
                "PIP_TRUSTED_HOST": ADDRESSES["internet"],
            }
        },
    }


def merge(into: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7386): objects are merged, null removes, all else replaces."""
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
    """Configuration of the engine, as in the NixOS module but for its places."""
    return {
        "hosts": [f"unix://{layout.docker_socket}"],
        "pidfile": "/run/docker.pid",
        "features": {"cdi": True},
        "cdi-spec-dirs": ["/etc/cdi"],
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": "5m", "max-file": "2"},
        # Nobody but the stack's own processes is PID 1 here, so there is no systemd to ask for control groups.
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": layout.cgroup,
        "storage-driver": "overlay2",
        "userland-proxy": False,
    }


def fake_gpus(count: int = GPUS) -> dict[str, Any]:
    """A CDI specification of GPUs that are nothing but a variable
    (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md)."""

    def device(name: str, numbers: str) -> dict[str, Any]:
        return {"name": name, "containerEdits": {"env": [f"FAKE_GPU={numbers}"]}}

    numbers = [str(number) for number in range(count)]
    devices = [device(number, number) for number in numbers]
    return {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [*devices, device("all", ",".join(numbers))]}


def nginx(layout: Layout, subnet_gateway: str, api_port: int) -> str:
    """nginx.conf: what the NixOS module writes around modules/nginx, here for one machine without TLS."""
    here = f"{layout.directory}/nginx"
    return f"""
user root;
daemon off;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    upstream classroom_hub {{ server {HUB}; keepalive 16; }}
    upstream classroom_proxy {{ server unix:{layout.run}/proxy.sock; keepalive 32; keepalive_timeout 4s; }}
    geo $realip_remote_addr $classroom_trusted {{ default 0; }}
    map "" $classroom_pages {{ default {here}/pages; }}
    include {here}/http.conf;
    server {{
        listen 0.0.0.0:{PORT};
        server_name _;
        access_log {layout.log("nginx-access")} classroom;
        include {here}/server.conf;
    }}
    server {{
        listen {subnet_gateway}:{api_port};
        server_name _;
        access_log {layout.log("nginx-containers")} classroom;
        include {here}/containers.conf;
    }}
}}
"""


def write(layout: Layout, proxy: Sequence[str]) -> None:
    """Write all files that are the same for the life of a stack, and settings.json as the tests begin with it."""
    layout.settings.write_text(json.dumps(settings(layout, proxy), indent=2), encoding="utf-8")
    (layout.directory / "daemon.json").write_text(json.dumps(daemon(layout)), encoding="utf-8")
    (layout.directory / "cdi/nvidia.json").write_text(json.dumps(fake_gpus()), encoding="utf-8")


def write_nginx(layout: Layout) -> None:
    """Write nginx.conf for the settings as they are now, beside a copy of the project's directives."""
    network = json.loads(layout.settings.read_text(encoding="utf-8"))["network"]
    subnet = network.get("subnet", "10.213.0.0/20")
    gateway = subnet.partition("/")[0].rpartition(".")[0] + ".1"
    shutil.copytree(REPOSITORY / "modules/nginx", layout.directory / "nginx", dirs_exist_ok=True)
    text = nginx(layout, gateway, int(network.get("apiPort", 8081)))
    (layout.directory / "nginx.conf").write_text(text, encoding="utf-8")
