"""Sign-up."""

from __future__ import annotations

from jupyterhub.utils import url_path_join
from tornado import web

from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.handlers.base import STALE_FORM, Page
from classroom.accounts.handlers.login import remember_waiting
from classroom.accounts.handlers.words import query
from classroom.accounts.names import MAX_KEPT_NAME, RULE
from classroom.accounts.passwords import MAX_BYTES, rules

FULL_NAME_CHARACTERS = 100


class SignUpPage(Page):
    """The page /hub/signup."""

    async def get(self) -> None:
        """The empty form, with the rules."""
        await self._form()

    def check_xsrf_cookie(self) -> None:
        """Checked in `post`, so that the form comes back with what was typed."""
        if self.request.method != "POST":
            super().check_xsrf_cookie()

    async def post(self) -> None:
        """Make the account, or say in the form what is wrong."""
        typed = {"username": "", "full_name": ""}
        try:
            typed["username"] = self.field("username", "The username", MAX_KEPT_NAME).strip()
            full_name = self.field("full_name", "Your name", FULL_NAME_CHARACTERS).strip()
            # Without marks that turn the reading direction and mix up the instructor's list.
            typed["full_name"] = "".join(letter for letter in full_name if letter.isprintable())
            self._demand_fresh_form()
            name = await self._make(typed["username"], self._password(), typed["full_name"])
        except AccountError as error:
            await self._form(error, **typed)
            return
        if self.authenticator.open_signup:
            self.notify("Your account is ready. Sign in with your username and password.")
            self.redirect(url_path_join(self.hub.base_url, "login") + "?" + query(username=name))
            return
        remember_waiting(self, name)
        self.redirect(url_path_join(self.hub.base_url, "waiting"))

    def _demand_fresh_form(self) -> None:
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            raise AccountError(STALE_FORM, 403) from error
        if not self.authenticator.enable_signup:
            raise AccountError("Your instructor makes the accounts of this site.", 403)

    def _password(self) -> str:
        # The fields have stock's names, so that what fills in its form fills in ours.
        password = self.field("signup_password", "The password", MAX_BYTES)
        if password != self.field("signup_password_confirmation", "The repeated password", MAX_BYTES):
            raise AccountError("The two passwords are not the same. Type them again.")
        return password

    async def _make(self, typed: str, password: str, full_name: str) -> str:
        try:
            return await self.authenticator.sign_up(typed, password, full_name)
        except NameTakenError:
            # The same person again (a double click, the back button): same password, same outcome.
            name = self.authenticator.normalize_username(typed.strip())
            outcome = await self.authenticator.check(name, password, self.request.remote_ip or "")
            if outcome.value == "waiting":
                return name
            raise

    async def _form(self, error: AccountError | None = None, username: str = "", full_name: str = "") -> None:
        await self.show(
            "signup.html",
            200 if error is None else error.status,
            error=str(error or ""),
            username=username,
            full_name=full_name,
            enabled=self.authenticator.enable_signup,
            approval=not self.authenticator.open_signup,
            name_rule=RULE,
            rules=rules(self.authenticator.minimum_password_length),
            minimum=self.authenticator.minimum_password_length,
        )
