"""Configuration of a real JupyterHub for tests of a student's server: accounts, tokens, OAuth and spawner, no proxy.

The addresses of servers go to $ROUTES instead of a proxy, and tests use them directly.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jupyterhub.proxy import Proxy
from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import default

STATE = Path(os.environ["STATE"])


class Routes(Proxy):
    should_start = False

    async def get_all_routes(self) -> dict[str, Any]:
        routes = STATE / "routes.json"
        return json.loads(routes.read_text()) if routes.exists() else {}

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        routes = await self.get_all_routes()
        routes[routespec] = {"routespec": routespec, "target": target, "data": data}
        (STATE / "routes.json").write_text(json.dumps(routes))

    async def delete_route(self, routespec: str) -> None:
        routes = await self.get_all_routes()
        routes.pop(routespec, None)
        (STATE / "routes.json").write_text(json.dumps(routes))


class Spawner(SimpleLocalProcessSpawner):
    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        # The working directory of a container is the home.
        return partial(os.chdir, STATE / "homes" / name)

    @property
    def weak(self) -> list[str]:
        """Return the command that takes from root the right to open any file, for users whose homes are broken."""
        return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if self.user.name.startswith("weak") else []

    @default("cmd")
    def _cmd(self) -> list[str]:
        return [*(self.weak if os.getuid() == 0 else []), sys.executable, "-I", "-m", "classroom.student"]

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        return env

    def get_env(self) -> dict[str, str]:
        env: dict[str, str] = super().get_env()
        scratch = STATE / f"{self.user.name}.tmp"
        env.update(
            HOME=str(STATE / "homes" / self.user.name),
            JUPYTER_RUNTIME_DIR=str(scratch / "r"),
            IPYTHONDIR=str(scratch / "ipython"),
            MPLCONFIGDIR=str(scratch / "matplotlib"),
            XDG_CACHE_HOME=str(scratch / "cache"),
            SHELL="/bin/bash",
            PATH=os.environ["PATH"],
            JUPYTERHUB_ACTIVITY_INTERVAL="1",
            CLASSROOM_ACTIVITY_INTERVAL="1",
            CLASSROOM_KERNEL_IDLE=os.environ["KERNEL_IDLE"] if self.user.name == "impatient" else "0",
        )
        return env


c = get_config()  # noqa: F821 - JupyterHub's
c.JupyterHub.hub_bind_url = os.environ["HUB_URL"]
c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.db_url = f"sqlite:///{STATE}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.proxy_class = Routes
c.JupyterHub.spawner_class = Spawner
c.JupyterHub.cleanup_servers = False
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Spawner.http_timeout = c.Spawner.start_timeout = 90
c.JupyterHub.services = [{"name": "tests", "api_token": os.environ["TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "tests", "scopes": ["admin:users", "admin:servers", "access:servers", "tokens"], "services": ["tests"]},
]
