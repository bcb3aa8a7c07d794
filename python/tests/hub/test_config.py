from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from classroom.hub.config import configure
from classroom.secrets import Secrets
from classroom.settings.models import Settings

SECRETS = Secrets(
    cookie_secret=b"c" * 32, crypt_keys=("00" * 32,), proxy_token="proxy", cli_token="cli", metrics_token="metrics"
)


def made(**settings: Any) -> Config:
    c = Config()
    # JupyterHub's own loader makes these lists when they are first touched.
    c.JupyterHub.services, c.JupyterHub.load_roles = [], []
    configure(c, Settings.model_validate(settings), SECRETS)
    return c


def test_a_hub_that_stops_leaves_the_containers_running() -> None:
    assert made().JupyterHub.cleanup_servers is False


def test_a_hub_without_an_engine_stops_its_processes() -> None:
    assert made(spawner="process").JupyterHub.cleanup_servers is True


def test_the_proxy_is_a_separate_process() -> None:
    c = made(proxy={"api": "127.0.0.1:8001"})
    assert c.ConfigurableHTTPProxy.should_start is False
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:8001"
    assert c.ConfigurableHTTPProxy.auth_token == "proxy"


@pytest.mark.attack(28)
@pytest.mark.parametrize(("scheme", "protected"), [("https", True), ("http", False)])
def test_with_tls_no_page_at_a_host_name_of_servers_sets_the_hubs_login_cookie(scheme: str, *, protected: bool) -> None:
    """Browsers refuse a cookie __Host-... with a domain (RFC 6265bis, 4.1.3.2)."""
    hub = made(site={"externalUrl": f"{scheme}://class.example.org/", "origins": "each"}).JupyterHub
    assert hub.cookie_host_prefix_enabled is protected
    assert hub.subdomain_host == f"{scheme}://class.example.org"


def test_a_class_without_an_address_uses_the_browsers_address() -> None:
    assert made(site={"externalUrl": ""}).JupyterHub.public_url == ""


def test_admins_come_from_the_settings() -> None:
    assert made(admins=["teacher"]).Authenticator.admin_users == {"teacher"}


def test_sign_up_without_approval_is_open() -> None:
    assert made(accounts={"approval": False}).NativeAuthenticator.open_signup is True
    assert made().NativeAuthenticator.open_signup is False


def test_containers_reach_the_hub_at_the_gateway() -> None:
    c = made(network={"subnet": "10.9.0.0/16", "apiPort": 9000})
    assert c.Spawner.hub_connect_url == "http://10.9.0.1:9000"


@pytest.mark.parametrize(("idle", "interval"), [("60m", "60"), (20, "5"), (1, "1")])
def test_activity_is_reported_often_enough_for_the_culler(idle: object, interval: str) -> None:
    environment = made(culling={"idle": idle}).Spawner.environment
    assert environment["CLASSROOM_ACTIVITY_INTERVAL"] == interval
    assert environment["JUPYTERHUB_ACTIVITY_INTERVAL"] == interval, "of images with upstream's server"


def test_the_culler_may_stop_servers_and_nothing_else() -> None:
    c = made(culling={"idle": "30m"})
    (service,) = [service for service in c.JupyterHub.services if service["name"] == "culler"]
    (role,) = [role for role in c.JupyterHub.load_roles if role["name"] == "culler"]
    assert "--timeout=1800" in service["command"]
    assert "delete:servers" in role["scopes"]
    assert not any(scope.startswith("admin") for scope in role["scopes"])


def test_without_culling_there_is_no_culler() -> None:
    assert [service["name"] for service in made(culling={"enable": False}).JupyterHub.services] == ["cli", "metrics"]


def test_a_collector_reads_metrics_and_nothing_else() -> None:
    (role,) = [role for role in made().JupyterHub.load_roles if role["services"] == ["metrics"]]
    assert role["scopes"] == ["read:metrics"]


def test_no_role_has_access_to_a_students_server() -> None:
    scopes = {scope for role in made().JupyterHub.load_roles for scope in role["scopes"]}
    assert not any(scope.startswith("access:") for scope in scopes)


def test_the_database_is_in_the_state_directory() -> None:
    assert made(paths={"state": str(Path("/srv/class"))}).JupyterHub.db_url == "sqlite:////srv/class/jupyterhub.sqlite"


def test_servers_share_the_host_name_of_the_hub_by_default() -> None:
    assert "subdomain_host" not in made().JupyterHub


def test_each_server_has_a_host_name_below_the_hubs() -> None:
    hub = made(site={"external_url": "https://c.org/", "origins": "each"}).JupyterHub
    assert hub.subdomain_host == "https://c.org"
    assert "subdomain_hook" not in hub  # JupyterHub's own
    assert hub.cookie_host_prefix_enabled


def test_all_servers_have_a_second_host_name() -> None:
    site = {"external_url": "http://c.org:8000/", "origins": "two", "servers_url": "http://s.org:8000/"}
    hub = made(site=site).JupyterHub
    assert hub.subdomain_hook("ada", "c.org", kind="user") == "s.org"
    assert not hub.cookie_host_prefix_enabled
