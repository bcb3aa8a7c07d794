from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from classroom.errors import ClassroomError
from classroom.hub.nginx import NginxSite, render_nginx_config
from classroom.settings.models import Settings


def conf(settings: dict[str, Any] | None = None, **front: Any) -> str:
    made = NginxSite(**{"directives": Path("/share/nginx"), "directory": Path("/run/classroom/nginx"), **front})
    return render_nginx_config(Settings.model_validate(settings or {}, by_name=False), made)


def test_browsers_and_containers_have_separate_servers() -> None:
    text = conf({"network": {"subnet": "10.9.0.0/24", "apiPort": 8099}}, listen=("0.0.0.0:80", "[::]:80"))
    assert text.count("    server {\n") == 2
    assert "listen 0.0.0.0:80;\n        listen [::]:80;" in text
    assert "listen 10.9.0.1:8099;\n        include /share/nginx/containers.conf;" in text
    assert "server 127.0.0.1:8081;" in text
    assert "server unix:/run/classroom/proxy.sock;" in text


def test_without_containers_there_is_no_server_for_them() -> None:
    assert "containers.conf" not in conf({"spawner": "process"})


def test_no_proxy_is_trusted_by_default() -> None:
    assert "default 0;\n    }" in conf()
    assert "set_real_ip_from" not in conf()


def test_a_tunnel_is_trusted_for_browsers_only() -> None:
    text = conf(trusted=("127.0.0.1", "fd00::/8"), client_header="CF-Connecting-IP")
    browsers, containers = text.split("    server {\n")[1:]
    for peer in ("127.0.0.1/32", "fd00::/8"):
        assert f"{peer} 1;" in text
        assert f"set_real_ip_from {peer};" in browsers
    assert "real_ip_header CF-Connecting-IP;" in browsers
    assert "real_ip" not in containers


def test_with_a_certificate_every_address_uses_tls() -> None:
    text = conf(listen=("0.0.0.0:443", "[::]:443"), certificate=Path("/c.pem"), key=Path("/k.pem"))
    assert text.count("443 ssl;") == 2
    assert "ssl_certificate /c.pem;" in text
    assert "ssl_certificate_key /k.pem;" in text


def test_every_path_that_nginx_writes_is_in_its_directory() -> None:
    kinds = r"\s*(\w+_temp_path|proxy_cache_path|access_log|pid) "
    written = [line.split()[1] for line in conf().splitlines() if re.match(kinds, line)]
    assert len(written) == 8
    assert all(path.startswith("/run/classroom/nginx/") for path in written)


@pytest.mark.parametrize(
    ("settings", "front", "told"),
    [
        ({}, {"certificate": Path("/c.pem")}, "certificate needs its key"),
        ({}, {"key": Path("/k.pem")}, "certificate needs its key"),
        ({}, {"trusted": ("tunnel",)}, "write an address or a network"),
        ({}, {"directory": Path("/my class")}, "cannot take a path"),
        ({}, {"directives": Path("/a;b")}, "cannot take a path"),
        ({}, {"listen": ("0.0.0.0:80; root /",)}, "not an address"),
        ({"proxy": {"listen": "unix:/run/{x}"}}, {}, "not an address"),
        ({}, {"user": "no body"}, "not an address, socket or name"),
    ],
)
def test_a_mistake_is_reported(settings: dict[str, Any], front: dict[str, Any], told: str) -> None:
    with pytest.raises(ClassroomError, match=told):
        conf(settings, **front)
