"""Pages that let a browser through the gate to a student's server (`classroom.web.gate`)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from jupyterhub.utils import url_path_join
from tornado import web

from classroom.audit.events import Action, record
from classroom.web.gate import (
    STATE_COOKIE,
    cookie_name,
    is_valid,
    make_pass,
    make_ticket,
    may_open,
    open_gate,
    read_ticket,
)
from classroom.web.pages.base import Page

if TYPE_CHECKING:
    from jupyterhub.user import User


class GatePage(Page):
    """`/hub/gate/STATE/user/NAME/...`: Nginx sends a browser without a pass here."""

    @web.authenticated
    async def get(self, state: str, name: str, _rest: str) -> None:
        """Let the owner in, and instructors where a student's page cannot act in their name; tell others why not."""
        target = _after(self.request.uri, "gate")
        owner = self.find_user(name)
        user = self.current_user
        if owner is None or not may_open(self, user, owner.name):
            await self.send_page("gate.html", 403, owner_name=name, own_url=self._own_url(user, target))
        elif not owner.spawner.ready:
            self.redirect(url_path_join(self.hub.base_url, target))
        elif self._has_own_origin(owner):
            if user.name != owner.name:
                record(Action.SERVER_VISITED, owner.name)
            ticket = quote(make_ticket(self, make_pass(user, owner.name), state), safe="")
            self.redirect(f"{owner.host}{self.hub.base_url}gate-open/{ticket}{target}")
        else:
            open_gate(self, make_pass(user, owner.name))
            self.redirect(target)

    def _has_own_origin(self, owner: User) -> bool:
        return bool(owner.host) and urlsplit(owner.host).netloc != self.request.host

    def _own_url(self, user: User, target: str) -> str:
        """Return the same page of the user's own server: addresses of notebooks are passed around in a class."""
        rest = target.removeprefix("/user/").partition("/")[2]
        return url_path_join(self.hub.base_url, "user", user.escaped_name, rest)


class GateOpenPage(Page):
    """`/hub/gate-open/TICKET/user/NAME/...`, at the host name of the server: store the pass there."""

    async def get(self, ticket: str, name: str, _rest: str) -> None:
        """Store the pass if this browser began the way to it, and open the page."""
        state, content = read_ticket(self, ticket)
        begun = self.get_cookie(cookie_name(self.request, STATE_COOKIE), "")
        owner = self.find_user(name)
        is_here = owner is not None and urlsplit(owner.host).netloc == self.request.host
        if is_here and state and hmac.compare_digest(state, begun) and is_valid(self, content, owner.name):
            open_gate(self, content)
        # Without the pass, Nginx begins again.
        self.redirect(_after(self.request.uri, "gate-open"))


def _after(uri: str, page: str) -> str:
    """Return the address in a page's address, as it was sent. The routes make sure that it begins with /user/."""
    return "/" + uri.partition(f"/{page}/")[2].partition("/")[2]
