"""Gate: a browser gets pages of a student's server only with a pass for this server.

Nginx asks the hub about each request below `/user/` (`auth_request` in modules/nginx/server.conf). Without the gate, a
page of a student's server would act as the person who opens it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from jupyterhub import orm
from tornado.web import decode_signed_value

if TYPE_CHECKING:
    from jupyterhub.handlers import BaseHandler
    from jupyterhub.user import User
    from tornado.httputil import HTTPServerRequest

COOKIE = "classroom-gate"
STATE_COOKIE = "classroom-gate-state"
_DAYS = 14  # as JupyterHub's login
_TICKET = "classroom-gate-ticket"
_TICKET_MINUTES = 1


def cookie_name(request: HTTPServerRequest, name: str) -> str:
    """Return the name of a cookie, with TLS with a prefix that lets no page set it (RFC 6265bis, 4.1.3)."""
    return f"__Host-{name}" if request.protocol == "https" else name


def make_pass(user: User, server: str) -> str:
    """Return the pass of a user for the server of a student. It ends with the user's login cookies."""
    return f"{user.id} {_login(user)} {server}"


def open_gate(handler: BaseHandler, content: str) -> None:
    """Let this browser in with a pass."""
    signed = handler.create_signed_value(COOKIE, content)
    handler.set_cookie(cookie_name(handler.request, COOKIE), signed, expires_days=_DAYS, **_options(handler))


def close_gate(handler: BaseHandler) -> None:
    """Delete this browser's pass."""
    handler.clear_cookie(cookie_name(handler.request, COOKIE), **_options(handler))


def admits(handler: BaseHandler, signed: str, server: str) -> bool:
    """Return whether the value of the gate's cookie lets a browser open the server of a student."""
    content = decode_signed_value(handler.application.settings["cookie_secret"], COOKIE, signed, max_age_days=_DAYS)
    return content is not None and is_valid(handler, content.decode(), server)


def is_valid(handler: BaseHandler, content: str, server: str) -> bool:
    """Return whether a pass is for the server, and its user still logged in and allowed to open it."""
    identifier, _, rest = content.partition(" ")
    login, _, name = rest.partition(" ")
    user = handler.db.get(orm.User, int(identifier)) if identifier.isdecimal() else None
    if user is None or name != server or not hmac.compare_digest(login, _login(user)):
        return False
    return may_open(handler, user, server)


def may_open(handler: BaseHandler, user: User | orm.User, server: str) -> bool:
    """Return whether a user may open a server: the own one, and instructors each one that has an origin of its own."""
    has_own_origin = handler.settings["app"].class_settings.site.origins == "each"
    return bool(user.name == server or (user.admin and has_own_origin))


def make_ticket(handler: BaseHandler, content: str, state: str) -> str:
    """Return a pass for the way to another host name: for one minute, and for the browser with this state."""
    signed: bytes = handler.create_signed_value(_TICKET, f"{state} {content}")
    return signed.decode()


def read_ticket(handler: BaseHandler, ticket: str) -> tuple[str, str]:
    """Return the state and the pass of a ticket; empty if it is forged or too old."""
    secret = handler.application.settings["cookie_secret"]
    content = decode_signed_value(secret, _TICKET, ticket, max_age_days=_TICKET_MINUTES / 1440)
    state, _, rest = (content or b"").decode().partition(" ")
    return state, rest


def _options(handler: BaseHandler) -> dict[str, Any]:
    return {"httponly": True, "samesite": "Lax", "secure": handler.request.protocol == "https"}


def _login(user: User | orm.User) -> str:
    return hashlib.sha256(f"gate {user.cookie_id}".encode()).hexdigest()[:32]
