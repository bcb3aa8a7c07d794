"""Login page, and the page that students see while they wait for approval."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.utils import url_path_join
from tornado import web

from classroom.accounts import service
from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.accounts.passwords import MAX_PASSWORD_BYTES
from classroom.audit import events
from classroom.audit.events import Action
from classroom.web.pages.base import Page
from classroom.web.pages.device import read_device, remember_device
from classroom.web.pages.second_step import CHANGE_TICKET, LoginStep
from classroom.web.text import plural, time_ago

if TYPE_CHECKING:
    from collections.abc import Awaitable

WAITING_TICKET = "classroom-waiting"


class LoginPage(LoginStep, LoginHandler):
    """The page /hub/login."""

    def _render(self, login_error: str | None = None, username: str | None = None, **names: object) -> Awaitable[str]:
        names.setdefault("notice", self._pop_flash())
        return super()._render(login_error=login_error, username=(username or "")[:MAX_USERNAME], **names)

    def render_template(self, name: str, **names: object) -> Awaitable[str]:
        """Render as upstream, also where upstream cannot read the form again."""
        try:
            return super().render_template(name, **names)
        except web.HTTPError:
            return BaseHandler.render_template(self, name, **names)

    async def post(self) -> None:
        """Log in, or explain why not."""
        name = ""
        try:
            name = self.field("username", "The username", MAX_USERNAME).strip()
            password = self.field("password", "The password", MAX_PASSWORD_BYTES)
            data = {"username": name, "password": password, "otp": self.field("otp", "The code", 16)}
            person = self.authenticator.normalize_username(name)
            self.login_device = read_device(self, person)
            user = await self.login_user(data)
        except AccountError as error:
            await self._refuse(str(error), name, error.status)
            return
        if self.login_outcome in {LoginOutcome.OK, LoginOutcome.MUST_CHANGE}:
            remember_device(self, person)
        if user is not None:
            self._jupyterhub_user = user
            events.record(Action.LOGIN, user.name)
            self.redirect(self.get_next_url(user))
            return
        await self._explain(name)

    async def _explain(self, name: str) -> None:
        name = self.authenticator.normalize_username(name)
        if self.login_outcome is LoginOutcome.WAITING:
            remember_waiting(self, name)
            self.redirect(url_path_join(self.hub.base_url, "waiting"))
        elif self.login_outcome is LoginOutcome.MUST_CHANGE:
            self.remember_password(CHANGE_TICKET, name)
            self.redirect_on("change-password")
        elif self.login_outcome in {LoginOutcome.NEEDS_CODE, LoginOutcome.NEEDS_SETUP}:
            self.ask_second_factor(name, self.login_outcome)
        elif self.login_outcome is LoginOutcome.REVOKED:
            await self._refuse("Your account is closed. Ask your instructor.", name, 403)
        elif self.login_outcome is LoginOutcome.LOCKED:
            seconds = self.authenticator.seconds_before_next_try
            self.set_header("Retry-After", str(seconds))
            wait = plural(max(1, round(seconds / 60)), "minute")
            await self._refuse(
                f"Too many wrong passwords. Wait {wait}, then try again, or ask your instructor for a new password.",
                name,
                429,
            )
        else:
            await self._refuse("Wrong username or password.", name, 403)

    async def _refuse(self, message: str, name: str, status: int) -> None:
        self.set_status(status)
        self.finish(await self._render(login_error=message, username=name))


class WaitingPage(Page):
    """/hub/waiting: the state of a sign-up, until it is approved."""

    async def get(self) -> None:
        """Show the state; redirect to the login page after approval."""
        name = self.ticket(WAITING_TICKET, minutes=60 * 24 * 30)
        record = service.find_account(self.db, name) if name else None
        if record is None:  # no sign-up in this browser, or it was rejected
            await self.send_page("waiting.html", account_name=name, state="gone" if name else "nobody")
            return
        if record.state is service.AccountState.APPROVED:
            # The ticket stays: first the page's script requests this page, then the browser does.
            self.flash("Your account is approved. Sign in with your username and password.")
            self.redirect(url_path_join(self.hub.base_url, "login") + "?" + urlencode({"username": name}))
            return
        await self.send_page(
            "waiting.html",
            account_name=name,
            state="waiting",
            since=record.account.created.replace(tzinfo=UTC),
            age=time_ago(record.account.created),
        )


def remember_waiting(page: Page, name: str) -> None:
    """Let this browser see the state of a sign-up for 30 days."""
    page.set_ticket(WAITING_TICKET, name, 30)
