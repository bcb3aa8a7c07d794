"""JupyterHub's configuration from settings: a function for each section; nothing is read or started."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from classroom.hub.proxy import listen_url
from classroom.hub.time_zone import machine_zone
from classroom.web import TEMPLATES

if TYPE_CHECKING:
    from traitlets.config import Config

    from classroom.secrets import Secrets
    from classroom.settings.models import Settings, Site

_START_GRACE = 15  # seconds
_ACTIVITY_INTERVAL = 60  # seconds between two reports of a server


def configure(c: Config, settings: Settings, secrets: Secrets) -> None:
    """Set all that a class needs on JupyterHub's configuration object."""
    _site(c, settings)
    _state(c, settings, secrets)
    _hub(c, settings)
    _proxy(c, settings, secrets)
    _accounts(c, settings)
    _spawner(c, settings)
    _culling(c, settings)
    _roles(c, settings, secrets)


def _site(c: Config, settings: Settings) -> None:
    c.JupyterHub.public_url = settings.site.external_url
    _origins(c, settings.site)
    c.JupyterHub.log_level = settings.site.log_level
    c.JupyterHub.default_url = _default_url
    c.JupyterHub.template_paths = [str(TEMPLATES)]


def _origins(c: Config, site: Site) -> None:
    if site.origins == "one":
        return
    c.JupyterHub.subdomain_host = site.external_url.rstrip("/")
    if site.origins == "two":
        servers = urlparse(site.servers_url).hostname
        c.JupyterHub.subdomain_hook = lambda name, domain, kind: servers  # noqa: ARG005 - upstream's names
    # A page of a student cannot replace the hub's login cookie. Servers keep theirs below their own path.
    c.JupyterHub.cookie_host_prefix_enabled = site.external_url.startswith("https:")


def _default_url(handler: Any) -> str:  # noqa: ANN401 - JupyterHub's handlers are untyped
    """Return the first page after login; "" is JupyterHub's default, the student's server.

    An instructor approves students before starting a server.
    """
    user = handler.current_user
    return f"{handler.hub.base_url}authorize" if user is not None and user.admin else ""


def _state(c: Config, settings: Settings, secrets: Secrets) -> None:
    c.JupyterHub.db_url = f"sqlite:///{settings.paths.state / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret = secrets.cookie_secret
    c.JupyterHub.pid_file = ""
    c.CryptKeeper.keys = [key.encode() for key in secrets.crypt_keys]


def _hub(c: Config, settings: Settings) -> None:
    c.JupyterHub.class_settings = settings
    c.JupyterHub.hub_bind_url = f"http://{settings.hub.listen}"
    # Servers in containers survive a restart of the hub. Without an engine they are the hub's own processes.
    c.JupyterHub.cleanup_servers = settings.spawner == "process"
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.concurrent_spawn_limit = 100
    # One server each: homes and leases belong to a person.
    c.JupyterHub.allow_named_servers = False
    # Maximum age of the recorded activity, which decides when a server is idle.
    c.JupyterHub.activity_resolution = min(30, settings.culling.idle // 4)


def _proxy(c: Config, settings: Settings, secrets: Secrets) -> None:
    c.JupyterHub.proxy_class = "classroom.hub.proxy.ClassroomProxy"
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = listen_url(settings.proxy.api)
    c.ConfigurableHTTPProxy.auth_token = secrets.proxy_token


def _accounts(c: Config, settings: Settings) -> None:
    accounts = settings.accounts
    c.JupyterHub.authenticator_class = "classroom.accounts.authenticator.ClassroomAuthenticator"
    # Safe, because the authenticator refuses accounts without approval.
    c.Authenticator.allow_all = True
    c.Authenticator.admin_users = set(settings.admins)
    c.NativeAuthenticator.enable_signup = accounts.signup
    c.NativeAuthenticator.open_signup = not accounts.approval
    c.NativeAuthenticator.minimum_password_length = accounts.password_length
    c.NativeAuthenticator.check_common_password = True
    c.NativeAuthenticator.allowed_failed_logins = accounts.lockout.tries
    c.NativeAuthenticator.seconds_before_next_try = accounts.lockout.duration
    c.ClassroomAuthenticator.address_tries = accounts.lockout.address_tries
    c.ClassroomAuthenticator.bcrypt_rounds = accounts.bcrypt_rounds
    c.ClassroomAuthenticator.two_factor_for_admins = accounts.two_factor == "instructors"
    c.ClassroomAuthenticator.secrets_dir = str(settings.paths.state / "secrets")


def _spawner(c: Config, settings: Settings) -> None:
    # The spawner enforces the limit itself, with a message for the student; this one holds when it cannot.
    c.Spawner.start_timeout = settings.student.start_timeout + _START_GRACE
    # Twenty servers that start at once on a small machine each take their time.
    c.Spawner.http_timeout = settings.student.start_timeout
    c.Spawner.disable_user_config = True
    interval = str(max(1, min(_ACTIVITY_INTERVAL, settings.culling.idle // 4)))
    c.Spawner.environment = {
        # The first is for images of others, with upstream's server. In ours, `StudentServer` reports in its place.
        "JUPYTERHUB_ACTIVITY_INTERVAL": interval,
        "CLASSROOM_ACTIVITY_INTERVAL": interval,
        "CLASSROOM_KERNEL_IDLE": str(settings.culling.kernel_idle),
        "CLASSROOM_TIME_ZONE": machine_zone(os.environ),
    }
    if settings.spawner == "process":
        c.JupyterHub.spawner_class = "classroom.spawner.process.ProcessSpawner"
        c.ProcessSpawner.settings = settings
        return
    c.JupyterHub.spawner_class = "classroom.spawner.docker.ClassroomSpawner"
    c.Spawner.hub_connect_url = f"http://{settings.network.gateway}:{settings.network.api_port}"
    c.DockerSpawner.prefix = settings.docker.prefix
    c.DockerSpawner.remove = True
    c.DockerSpawner.network_name = settings.network.name
    c.ClassroomSpawner.settings = settings


def _culling(c: Config, settings: Settings) -> None:
    culling = settings.culling
    if not culling.enable:
        return
    c.JupyterHub.services.append(
        {
            "name": "culler",
            "command": [
                sys.executable,
                "-m",
                "jupyterhub_idle_culler",
                f"--timeout={culling.idle}",
                f"--cull-every={culling.every}",
                f"--max-age={culling.max_age}",
            ],
        }
    )
    c.JupyterHub.load_roles.append(
        {
            "name": "culler",
            "services": ["culler"],
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        }
    )


def _roles(c: Config, _settings: Settings, secrets: Secrets) -> None:
    c.JupyterHub.services.append({"name": "cli", "api_token": secrets.cli_token})
    c.JupyterHub.load_roles.append(
        {
            "name": "cli",
            "services": ["cli"],
            "scopes": [
                "list:users",
                "read:users",
                "admin:users",
                "read:servers",
                "start:servers",
                "delete:servers",
                "read:hub",
                "proxy",
            ],
        }
    )
    c.JupyterHub.services.append({"name": "metrics", "api_token": secrets.metrics_token})
    c.JupyterHub.load_roles.append({"name": "metrics", "services": ["metrics"], "scopes": ["read:metrics"]})
