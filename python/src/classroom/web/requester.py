"""Who makes a request, for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.accounts.service import COMMAND_LINE
from classroom.audit.events import THE_HUB
from classroom.hub_api import HUB_AGENT

if TYPE_CHECKING:
    from tornado.web import RequestHandler


def requester_of(handler: RequestHandler | None) -> tuple[str, str]:
    """Return the user and the address of a request; the user is empty before the request is authenticated.

    A service of the hub, such as the culler, is called by its kind and name: no user's name contains a space.
    """
    if handler is None:
        return "", ""
    address = handler.request.remote_ip or ""
    user = getattr(handler, "_jupyterhub_user", None)
    if user is None:
        return "", address
    if user.kind == "user":
        return user.name, address
    if user.name == "cli":
        return (THE_HUB, "") if handler.request.headers.get("User-Agent") == HUB_AGENT else (COMMAND_LINE, address)
    return f"service {user.name}", address
