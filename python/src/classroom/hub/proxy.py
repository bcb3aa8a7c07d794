"""The hub's client of configurable-http-proxy, a separate process that outlives the hub."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from jupyterhub.httpclient import fetch
from jupyterhub.proxy import ConfigurableHTTPProxy

if TYPE_CHECKING:
    from jupyterhub.user import User

_WATCH_INTERVAL = 1.0  # seconds: one request over a local socket; a student who reloads meanwhile is sent to the hub
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=5)


class ClassroomProxy(ConfigurableHTTPProxy):
    """Client of a proxy: it ignores the proxy's figures of activity, and restores the routes after a restart."""

    async def get_all_routes(self) -> dict[str, Any]:
        """Return the proxy's routes without its figures of activity.

        The proxy counts every poll of an open JupyterLab tab as activity, and the hub takes the later of its figure and
        the server's own report: an abandoned tab would never be culled.
        """
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes

    async def add_user(self, user: User, server_name: str = "") -> None:
        """Add the route to a server, after the routes of others to the same address are removed."""
        target = user.spawners[server_name].server.host
        for path, route in (await self.get_all_routes()).items():
            if route["target"] == target and route["data"].get("user", user.name) != user.name:
                self.log.warning("Removing the route %s, because its address belongs to %s now", path, user.name)
                await self.delete_route(path)
        await super().add_user(user, server_name)

    async def watch(self) -> None:
        """Restore the routes whenever the proxy has lost them. This runs until it is cancelled.

        Upstream looks every five minutes; a restarted proxy knows no route at all, not even the hub's.
        """
        while True:
            await asyncio.sleep(_WATCH_INTERVAL)
            try:
                routes = await self._fetch_routes()
                if routes is not None and not any("hub" in route for route in routes.values()):
                    self.log.warning("The proxy has lost its routes; restoring them")
                    await self.check_routes(self.app.users, self.app._service_map)  # noqa: SLF001 - upstream does so too
            except Exception as error:  # noqa: BLE001 - whatever it was, the next check may succeed
                self.log.warning("The proxy could not be checked: %s", error)

    async def wait_up(self) -> None:
        """Wait until the proxy answers, and log a warning every 30 seconds."""
        waited = 0
        while await self._fetch_routes() is None:
            if waited % 30 == 0:
                self.log.warning("Waiting for the proxy at %s: start it with `classroom proxy`", self.api_url)
            await asyncio.sleep(1)
            waited += 1

    async def _fetch_routes(self) -> dict[str, Any] | None:
        """Return the proxy's table of routes; None if it does not answer."""
        try:
            response = await fetch(
                f"{self.api_url}/api/routes",
                headers={"Authorization": f"token {self.auth_token}"},
                timeout=_WATCH_TIMEOUT,
            )
            table: dict[str, Any] = await response.json()
        except (OSError, aiohttp.ClientConnectionError):
            return None
        return table


def listen_url(listen: str, scheme: str = "http") -> str:
    """Return a listen address as a URL of JupyterHub's client ("http+unix://%2Frun%2F…" for a socket).

    The socket's path is in the place of a host, which clients write in small letters: capitals are encoded as well.
    """
    if listen.startswith("unix:"):
        path = quote(listen.removeprefix("unix:"), safe="")
        return f"{scheme}+unix://" + re.sub(r"(%..)|([A-Z])", lambda match: match[1] or f"%{ord(match[2]):02X}", path)
    return f"{scheme}://{listen}"
