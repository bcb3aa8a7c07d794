"""Pages that change a password: one's own, also after a one-time password, and a student's by an instructor."""

from __future__ import annotations

from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from classroom.accounts import admin_password_file, service
from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.accounts.passwords import MAX_PASSWORD_BYTES, password_rules
from classroom.audit import events
from classroom.audit.events import Action
from classroom.web.end_logins import end_logins
from classroom.web.pages.base import Page
from classroom.web.pages.current_password import require_current_password
from classroom.web.pages.device import client_of
from classroom.web.pages.second_step import CHANGE_TICKET, LoginStep

_CHANGE_MINUTES = 15


class ChangePasswordPage(LoginStep):
    """/hub/change-password: for users who are logged in, or who just typed their one-time password."""

    async def get(self) -> None:
        """Show the form."""
        name = self._first_login_name()
        if name is None and self.current_user is None:
            self.redirect(self.get_login_url() + "?next=" + url_path_join(self.hub.base_url, "change-password"))
            return
        await self._form(first=name is not None)

    async def post(self) -> None:
        """Change the password, or show in the form why not."""
        first_name = self._first_login_name()
        if first_name is None and self.current_user is None:
            self.flash("The page was open for too long. Sign in again.")
            self.redirect(self.get_login_url())
            return
        try:
            await self._change(first_name or self.current_user.name, first=first_name is not None)
        except AccountError as error:
            await self._form(str(error), first=first_name is not None, status=error.status)

    def works_without_login(self) -> bool:
        """Return whether somebody has just typed a one-time password."""
        return self._first_login_name() is not None

    async def _change(self, name: str, *, first: bool) -> None:
        auth = self.authenticator
        old = self.field("old_password", "The current password", MAX_PASSWORD_BYTES)
        new = self.field("new_password", "The new password", MAX_PASSWORD_BYTES)
        if new != self.field("new_password_confirmation", "The repeated password", MAX_PASSWORD_BYTES):
            raise AccountError("The two new passwords are not the same. Type them again.")
        auth.require_good_password(name, new)
        before = service.find_account(self.db, name)
        if not first:
            await require_current_password(self, name, old)
        elif before is not None and await auth.hasher.verify(new, before.info.password, name):
            raise AccountError("This is the one-time password. Choose another one.")
        hashed = await auth.hasher.hash(new, name)
        after = service.find_account(self.db, name)
        if before is None or after is None or (first and self._first_login_name() != name):
            raise service.account_not_found(name)
        service.set_password(
            self.db, name, hashed, must_change=False, keep_session=None if first else self.get_session_cookie()
        )
        admin_password_file.delete_admin_password(auth.secrets_dir, name)
        self.log.info("%s changed their password", name)
        events.record(Action.PASSWORD_CHANGED, name)
        await end_logins(self, [name])
        if first:
            self.clear_ticket(CHANGE_TICKET)
            self.login_device = client_of(self, name)
            user = await self.login_user({"username": name, "password": new})
            if self.login_outcome in {LoginOutcome.NEEDS_CODE, LoginOutcome.NEEDS_SETUP}:
                self.ask_second_factor(name, self.login_outcome)
                return
            if user is None:
                self.flash("Your password is changed. Sign in with it.")
                self.redirect(self.get_login_url())
                return
            self._jupyterhub_user = user
            events.record(Action.LOGIN, name)
            self.redirect(self.get_next_url(user))
            return
        self.set_login_cookie(self.current_user)
        self.flash("Your password is changed. Other browsers were signed out.")
        self.redirect(self.request.path)

    def _first_login_name(self) -> str | None:
        """Return the name of a user who just typed a valid one-time password and has no session yet."""
        record = self.remembered_account(CHANGE_TICKET, _CHANGE_MINUTES)
        return record.account.name if record is not None and record.account.must_change else None

    async def _form(self, error: str = "", *, first: bool, status: int = 200) -> None:
        await self.send_page(
            "change-password.html",
            status,
            error=error,
            first=first,
            account_name=self._first_login_name() if first else self.current_user.name,
            rules=password_rules(self.authenticator.minimum_password_length),
            minimum=self.authenticator.minimum_password_length,
            action=self.request.uri,
        )


class ResetPasswordPage(Page):
    """/hub/change-password/<name>: an instructor sets a one-time password, generated or chosen."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self, name: str) -> None:
        """Show the form."""
        if name == self.current_user.name:
            self.redirect(url_path_join(self.hub.base_url, "change-password"))
            return
        self._check_target(name)
        await self.send_page("reset-password.html", account_name=name, password="")

    @web.authenticated
    @needs_scope("admin:users")
    async def post(self, name: str) -> None:
        """Set the one-time password and show it once."""
        self._check_target(name)
        try:
            chosen = self.field("new_password", "The new password", MAX_PASSWORD_BYTES)
            password = await self.authenticator.set_one_time_password(name, chosen)
        except AccountError as error:
            await self.send_page("reset-password.html", error.status, account_name=name, password="", error=str(error))
            return
        self.log.info("%s set a one-time password for %s", self.current_user.name, name)
        await end_logins(self, [name])
        self.set_header("Cache-Control", "no-store")
        await self.send_page("reset-password.html", account_name=name, password=password)

    def _check_target(self, name: str) -> None:
        if service.find_account(self.db, name) is None:
            raise web.HTTPError(404, str(service.account_not_found(name)))
        user = self.find_user(name)
        if user is not None and user.admin and not self.current_user.admin:
            raise web.HTTPError(403, "Only an instructor can reset the password of an instructor.")
