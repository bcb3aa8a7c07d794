"""Checks of the path of a browser: Nginx, the proxy, the hub, and a websocket through all of them."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from classroom.doctor import http, units
from classroom.doctor.checks import NotCheckedError, ok, only_root, reason, warning, wrong
from classroom.doctor.http import Endpoint
from classroom.errors import printable
from classroom.web import gate_proof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

HUB, PROXY, NGINX, WEBSOCKETS = "hub", "proxy", "Nginx", "websockets"
_NGINX_ENDS = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+)")


def check_hub(settings: Settings) -> Iterable[Finding]:
    """Check that the hub answers at the address that Nginx and the proxy use."""
    start = units.restart("classroom-hub", "classroom hub")
    try:
        answer = http.get(Endpoint(settings.hub.listen), "/hub/health")
    except OSError as error:
        yield wrong(HUB, f"Nothing answers at {settings.hub.listen} ({reason(error)}): nobody can sign in.", start)
        return
    if answer.status == 200:
        yield ok(HUB, f"It answers at {settings.hub.listen}.")
    else:
        yield wrong(HUB, f"It answers with status {answer.status}.", "journalctl -b -e -u classroom-hub")


def check_proxy(settings: Settings) -> Iterable[Finding]:
    """Check that the proxy answers, accepts the hub's token, and has the hub's routes."""
    start = units.restart("classroom-proxy", "classroom proxy")
    token = proxy_token(settings.paths.state)
    try:
        answer = http.get(Endpoint(settings.proxy.api), "/api/routes", _authorization(token))
    except PermissionError:
        raise
    except OSError as error:
        says = f"Nothing answers at {settings.proxy.api} ({reason(error)}): nobody reaches their server."
        yield wrong(PROXY, says, start)
        return
    routes = answer.json()
    if answer.status in {401, 403}:
        yield wrong(PROXY, "It does not accept the hub's token: it was started with another one.", start)
    elif answer.status != 200 or not isinstance(routes, dict):
        yield wrong(PROXY, f"It answers with status {answer.status}.", start)
    elif not any(isinstance(route, dict) and "hub" in route for route in routes.values()):
        yield wrong(PROXY, "The hub has not added its routes.", units.restart("classroom-hub", "classroom hub"))
    else:
        count = sum("user" in route for route in routes.values() if isinstance(route, dict))
        yield ok(PROXY, f"It answers; routes to students' servers: {count}.")


def check_nginx(settings: Settings, address: str | None) -> Iterable[Finding]:
    """Check that pages and websockets pass through Nginx as browsers request them.

    Args:
        settings: the class's.
        address: the address of Nginx on this machine; None detects it.
    """
    start = units.restart("nginx", "nginx")
    if (trial := _front_of_a_trial(settings)) and not address:
        says = f"Nobody answers in place of it: browsers reach the proxy itself, at {trial.listen}."
        yield warning(NGINX, f"{says} This is enough for a trial.")
        yield from _check_websockets(settings, trial)
        return
    tried = [_front(settings, address)] if address else fronts(settings)
    for place in tried:
        try:
            answer = http.get(place, "/hub/health")
        except OSError:
            continue
        if answer.status != 200:
            says = f"At {place.listen} it answers with status {answer.status} where the hub's answer should be."
            yield wrong(NGINX, says, units.restart("classroom-hub", "classroom hub"))
            return
        yield ok(NGINX, f"The hub is reached through it ({place.listen}).")
        yield from _check_websockets(settings, place)
        return
    places = " or ".join(place.listen for place in tried)
    yield wrong(NGINX, f"Nothing answers at {places}: no browser reaches the class.{_why_nginx_ends()}", start)


def _why_nginx_ends() -> str:
    """Return why Nginx does not start, as a sentence; empty if it gives no reason."""
    reasons = _NGINX_ENDS.findall(units.journal("nginx", 20))
    return f" It says: {printable(reasons[-1])}" if reasons else ""


def _check_websockets(settings: Settings, front: Endpoint) -> Iterable[Finding]:
    """Add a route to a server of our own to the proxy for an instant, and send a message there and back.

    This needs no student's server. No user can have the path's name, and guessing it takes longer than it exists.
    """
    try:
        token = proxy_token(settings.paths.state)
        problem = asyncio.run(_send_message(settings, front, token))
    except PermissionError:
        yield only_root(WEBSOCKETS)
    except OSError as error:
        yield warning(WEBSOCKETS, f"Not tested: the proxy does not answer ({reason(error)}); see above.")
    else:
        if problem is None:
            yield ok(WEBSOCKETS, "A message came back on the path of a browser.")
        else:
            text = f"{problem}: kernels and terminals do not work."
            yield wrong(WEBSOCKETS, text, "include modules/nginx/server.conf in the server that browsers reach")


async def _send_message(settings: Settings, front: Endpoint, token: str) -> str | None:
    name = gate_proof.PREFIX + secrets.token_hex(16)
    api, path = Endpoint(settings.proxy.api), f"/user/{name}/"
    host = _host_of_server(settings, name)
    route = f"/api/routes{'/' + host.partition(':')[0] if host else ''}{quote(path.rstrip('/'))}"
    headers = {**front.headers, "Authorization": gate_proof.authorization(token, name)}
    front = replace(front, host=host or front.host, headers=headers)
    async with http.echo_server() as port:
        await http.request(api, "POST", route, _authorization(token), {"target": f"http://127.0.0.1:{port}"})
        try:
            return await http.websocket_problem(front, path)
        finally:
            await http.request(api, "DELETE", route, _authorization(token))


def _host_of_server(settings: Settings, name: str) -> str:
    """Return the host name of a server with its port; empty where servers have the hub's."""
    site = settings.site
    if site.origins == "two":
        return urlsplit(site.servers_url).netloc
    return f"{name}.{urlsplit(site.external_url).netloc}" if site.origins == "each" else ""


def fronts(settings: Settings) -> list[Endpoint]:
    """Return where Nginx may listen: at the external port, or without TLS behind a tunnel or load balancer."""
    parts = urlsplit(settings.site.external_url or "http://localhost/")
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https":
        behind = {"X-Forwarded-Proto": "https"}
        return [
            Endpoint(f"127.0.0.1:{parts.port or 443}", host, tls=True),
            Endpoint("127.0.0.1:80", host, headers=behind),
        ]
    return [Endpoint(f"127.0.0.1:{parts.port or 80}", host)]


def _front_of_a_trial(settings: Settings) -> Endpoint | None:
    """Return the proxy's address for browsers if no Nginx is in front of it, as in `make demo`."""
    listen = settings.proxy.listen
    if listen.startswith("unix:"):
        return None
    url = urlsplit(settings.site.external_url)
    if url.netloc and str(url.port) != listen.rpartition(":")[2]:
        return None
    place = Endpoint(listen.replace("0.0.0.0", "127.0.0.1"), url.netloc or "localhost")  # noqa: S104 - to connect to
    try:
        is_hub = http.get(place, "/hub/health").status == 200
    except OSError:
        return None
    return place if is_hub else None


def _front(settings: Settings, address: str) -> Endpoint:
    first = fronts(settings)[0]
    return Endpoint(address, first.host, tls=first.tls and address.endswith(":443"))


def proxy_token(state: Path) -> str:
    """Return the token that hub and proxy share.

    Raises:
        PermissionError: this user may not read it.
        NotCheckedError: there is none.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    places = [units.credential("classroom-hub", "proxy-token"), state / "secrets" / "proxy-token"]
    for path in [Path(credentials) / "proxy-token", *places] if credentials else places:
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            continue
    raise NotCheckedError(f"{state / 'secrets' / 'proxy-token'} does not exist yet: the hub creates it.")


def _authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}", "Content-Type": "application/json"}
