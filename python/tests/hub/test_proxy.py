from __future__ import annotations

from urllib.parse import unquote

import pytest
from yarl import URL

from classroom.hub.proxy import listen_url
from classroom.hub.proxy_command import proxy_command, proxy_environment
from classroom.settings.models import Proxy


@pytest.mark.parametrize(
    ("listen", "url"),
    [("127.0.0.1:8001", "http://127.0.0.1:8001"), ("unix:/run/c/a.sock", "http+unix://%2Frun%2Fc%2Fa.sock")],
)
def test_the_hub_reaches_the_proxy_on_ports_and_sockets(listen: str, url: str) -> None:
    assert listen_url(listen) == url


@pytest.mark.parametrize("path", ["/run/c/a.sock", "/home/Ada/My Class/a.sock", "/srv/Ärzte/%4a.sock"])
def test_the_hubs_client_finds_a_socket_whatever_its_path(path: str) -> None:
    host = URL(listen_url(f"unix:{path}") + "/api/routes").host  # as JupyterHub's client reads it
    assert host
    assert unquote(host) == path


def test_sockets_and_ports_become_the_proxys_options() -> None:
    line = proxy_command(Proxy(listen="127.0.0.1:8000", api="unix:/run/c/api.sock"), "http://127.0.0.1:8081")
    assert "--ip=127.0.0.1" in line
    assert "--port=8000" in line
    assert "--api-socket=/run/c/api.sock" in line


def test_behind_nginx_the_clients_address_is_that_of_nginxs_header() -> None:
    assert "--no-x-forward" in proxy_command(Proxy(), "http://127.0.0.1:8081")
    assert "--no-x-forward" not in proxy_command(Proxy(listen="127.0.0.1:8000"), "http://127.0.0.1:8081")


def test_error_pages_come_from_the_hub_or_from_a_directory() -> None:
    assert "--error-target=http://127.0.0.1:8081/hub/error" in proxy_command(Proxy(), "http://127.0.0.1:8081")
    with_folder = proxy_command(Proxy(command=("chp", "--error-path=/pages")), "http://127.0.0.1:8081")
    assert not any(part.startswith("--error-target") for part in with_folder)


def test_the_token_is_in_the_environment_and_not_on_the_command_line() -> None:
    assert proxy_environment({"PATH": "/bin"}, "secret") == {"PATH": "/bin", "CONFIGPROXY_AUTH_TOKEN": "secret"}
    assert not any("secret" in part for part in proxy_command(Proxy(), "http://127.0.0.1:8081"))


def test_the_proxy_routes_by_host_name_if_servers_have_their_own() -> None:
    assert "--host-routing" in proxy_command(Proxy(), "http://127.0.0.1:8081", by_host=True)
    assert "--host-routing" not in proxy_command(Proxy(), "http://127.0.0.1:8081")
