"""Ports of a student's own programs, which jupyter-server-proxy opens below `proxy/PORT/` of the server's address.

A page from such a port runs scripts with the origin of the server, so that only the owner of the server opens it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from tornado.web import HTTPError

from classroom.student.owner import is_owner

_HOSTS = frozenset({"localhost", "127.0.0.1"})


def limit_ports() -> None:
    """Check each request to a port, where the image has jupyter-server-proxy.

    Its setting `host_allowlist` is for other hosts. To ports of its own host it lets any visitor of the server in, and
    gives their logins to the program.
    """
    if find_spec("jupyter_server_proxy"):
        from jupyter_server_proxy.handlers import ProxyHandler  # noqa: PLC0415 - no dependency of the tests

        ProxyHandler._check_host_allowlist = allow_own_port  # noqa: SLF001


def allow_own_port(handler: Any, host: str) -> bool:  # noqa: ANN401 - jupyter-server-proxy's handler
    """Return whether a request may go to `host`, and take the login out of it: the program is students' code.

    Raises:
        HTTPError: 403, the request is not from the owner of the server.
    """
    if not is_owner(handler):
        raise HTTPError(403, "Only the owner of a server opens the ports of its programs.")
    headers = handler.request.headers
    if "Cookie" in headers:
        headers["Cookie"] = without_logins(headers["Cookie"])
    if getattr(handler, "_token_authenticated", False):
        del headers["Authorization"]
    return host in _HOSTS


def without_logins(cookies: str) -> str:
    """Return a `Cookie` header without the cookies of JupyterHub (RFC 6265, 4.2.1)."""
    pairs = (pair.strip() for pair in cookies.split(";"))
    return "; ".join(pair for pair in pairs if pair and not pair.startswith("jupyterhub-"))
