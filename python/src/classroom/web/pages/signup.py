"""Sign-up page."""

from __future__ import annotations

from urllib.parse import urlencode

from jupyterhub.utils import url_path_join
from tornado import web

from classroom.accounts import signup_codes
from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.bulk_import import MAX_FULL_NAME_CHARACTERS
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.names import MAX_USERNAME, USERNAME_RULE
from classroom.accounts.passwords import MAX_PASSWORD_BYTES, password_rules
from classroom.typed_text import tidy_text
from classroom.web.pages.base import STALE_FORM, Page
from classroom.web.pages.device import client_of, remember_device
from classroom.web.pages.login import remember_waiting


class SignUpPage(Page):
    """The page /hub/signup."""

    async def get(self) -> None:
        """Show the empty form; a link may contain the sign-up code."""
        await self._form(code=self.get_query_argument("code", "")[: signup_codes.MAX_CODE_CHARACTERS])

    def works_without_login(self) -> bool:
        """Return that it is for people without an account."""
        return True

    def check_xsrf_cookie(self) -> None:
        """Leave the check to `post`, so that the form comes back with what was typed."""
        if self.request.method != "POST":
            super().check_xsrf_cookie()

    async def post(self) -> None:
        """Create the account, or show in the form why not."""
        typed = {"username": "", "full_name": "", "code": ""}
        try:
            typed["username"] = self.field("username", "The username", MAX_USERNAME).strip()
            full_name = tidy_text(self.field("full_name", "Your name", MAX_FULL_NAME_CHARACTERS))
            # Without anything else that confuses the instructor's list.
            typed["full_name"] = "".join(letter for letter in full_name if letter.isprintable())
            typed["code"] = self.field("code", "The sign-up code", signup_codes.MAX_CODE_CHARACTERS).strip()
            self._require_fresh_form()
            name, approved = await self._sign_up(self._password(), **typed)
        except AccountError as error:
            await self._form(error, **typed)
            return
        remember_device(self, name)
        if approved:
            self.flash("Your account is ready. Sign in with your username and password.")
            self.redirect(url_path_join(self.hub.base_url, "login") + "?" + urlencode({"username": name}))
            return
        remember_waiting(self, name)
        self.redirect(url_path_join(self.hub.base_url, "waiting"))

    def _require_fresh_form(self) -> None:
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            raise AccountError(STALE_FORM, 403) from error

    def _password(self) -> str:
        # The fields have stock's names, so that programs that fill in its form can fill in ours.
        password = self.field("signup_password", "The password", MAX_PASSWORD_BYTES)
        if password != self.field("signup_password_confirmation", "The repeated password", MAX_PASSWORD_BYTES):
            raise AccountError("The two passwords are not the same. Type them again.")
        return password

    async def _sign_up(self, password: str, *, username: str, full_name: str, code: str) -> tuple[str, bool]:
        auth, address = self.authenticator, self.request.remote_ip or ""
        try:
            return await auth.sign_up(username, password, full_name, code=code, address=address)
        except NameTakenError:
            # The same person again (a double click, the back button): the same password gives the same answer.
            name = auth.normalize_username(username)
            outcome = await auth.check_login(name, password, client_of(self, name))
            if outcome is LoginOutcome.WAITING or (code and outcome is LoginOutcome.OK):
                return name, outcome is LoginOutcome.OK
            raise

    async def _form(
        self, error: AccountError | None = None, *, username: str = "", full_name: str = "", code: str = ""
    ) -> None:
        auth = self.authenticator
        has_codes = bool(code) or signup_codes.any_open_code(self.db)
        await self.send_page(
            "signup.html",
            200 if error is None else error.status,
            error=str(error or ""),
            username=username,
            full_name=full_name,
            code=code,
            has_codes=has_codes,
            needs_code=not auth.enable_signup,
            enabled=auth.enable_signup or has_codes,
            approval=not auth.open_signup,
            name_rule=USERNAME_RULE,
            rules=password_rules(auth.minimum_password_length),
            minimum=auth.minimum_password_length,
        )
