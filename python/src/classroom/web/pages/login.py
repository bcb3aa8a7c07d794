"""Login, and the page of those who wait for approval."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.utils import url_path_join
from tornado import web

from classroom.accounts import service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.accounts.passwords import MAX_PASSWORD_BYTES
from classroom.web.pages.base import Page, fingerprint
from classroom.web.text import plural, query, time_ago

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from classroom.accounts.authenticator import LoginOutcome

WAITING_TICKET = "classroom-waiting"
CHANGE_TICKET = "classroom-change"


class LoginPage(Page, LoginHandler):
    """The page /hub/login."""

    login_outcome: LoginOutcome | None = None

    def _render(self, login_error: str | None = None, username: str | None = None, **names: object) -> Awaitable[str]:
        names.setdefault("notice", self._take_notice())
        return super()._render(login_error=login_error, username=(username or "")[:MAX_USERNAME], **names)

    def render_template(self, name: str, **names: object) -> Awaitable[str]:
        """As upstream, which puts errors into the form, also where the form cannot be read back."""
        try:
            return super().render_template(name, **names)
        except web.HTTPError:
            return BaseHandler.render_template(self, name, **names)

    async def post(self) -> None:
        """Sign in, or say why not."""
        name = ""
        try:
            name = self.field("username", "The username", MAX_USERNAME).strip()
            password = self.field("password", "The password", MAX_PASSWORD_BYTES)
            data = {"username": name, "password": password, "otp": self.field("otp", "The code", 16)}
            user = await self.login_user(data)
        except AccountError as error:
            await self._refuse(str(error), name, error.status)
            return
        if user is not None:
            self._jupyterhub_user = user
            self.redirect(self.get_next_url(user))
            return
        await self._explain(name)

    async def _explain(self, name: str) -> None:
        outcome = "" if self.login_outcome is None else self.login_outcome.value
        name = self.authenticator.normalize_username(name)
        if outcome == "waiting":
            remember_waiting(self, name)
            self.redirect(url_path_join(self.hub.base_url, "waiting"))
        elif outcome == "must-change":
            info, _ = service.find_account(self.db, name) or (None, None)
            if info is not None:
                self.set_ticket(CHANGE_TICKET, f"{fingerprint(info.password)} {name}", None)
            next_url = self.get_argument("next", "")
            target = url_path_join(self.hub.base_url, "change-password")
            self.redirect(target + ("?" + query(next=next_url) if next_url else ""))
        elif outcome == "revoked":
            await self._refuse("Your account is closed at the moment. Ask your instructor.", name, 403)
        elif outcome == "locked":
            seconds = self.authenticator.seconds_before_next_try
            self.set_header("Retry-After", str(seconds))
            wait = plural(max(1, round(seconds / 60)), "minute")
            await self._refuse(
                f"Too many wrong passwords. Wait {wait}, then try again; or ask your instructor for a new one.",
                name,
                429,
            )
        else:
            await self._refuse("Wrong username or password.", name, 403)

    async def _refuse(self, message: str, name: str, status: int) -> None:
        self.set_status(status)
        self.finish(await self._render(login_error=message, username=name))


class WaitingPage(Page):
    """/hub/waiting: what a student sees between sign-up and approval, and can come back to."""

    async def get(self) -> None:
        """How the request stands; on to the login page once it is approved."""
        name = self.ticket(WAITING_TICKET, minutes=60 * 24 * 30)
        found = service.find_account(self.db, name) if name else None
        if found is None:
            # Nobody, or rejected.
            await self.send_page("waiting.html", account_name=name, state="gone" if name else "nobody")
            return
        account = found.account
        if found.state is service.AccountState.APPROVED:
            # The ticket stays: the page's script asks first, and the browser again.
            self.flash("Your account is approved. Sign in with your username and password.")
            self.redirect(url_path_join(self.hub.base_url, "login") + "?" + query(username=name))
            return
        await self.send_page(
            "waiting.html",
            account_name=name,
            state="waiting",
            since=account.created.replace(tzinfo=UTC),
            age=time_ago(account.created),
        )


def remember_waiting(page: Page, name: str) -> None:
    """Let this browser see how the request of `name` stands, for 30 days."""
    page.set_ticket(WAITING_TICKET, name, 30)
