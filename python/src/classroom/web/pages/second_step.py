"""Second step of a login: the code of an app after the right password. Until then there is no session."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jupyterhub.utils import url_path_join

from classroom.accounts import service, two_factor
from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.audit import events
from classroom.audit.events import Action
from classroom.web.pages.base import Page, fingerprint
from classroom.web.pages.device import client_of, remember_device

if TYPE_CHECKING:
    from jupyterhub.user import User

CODE_TICKET = "classroom-code"
CHANGE_TICKET = "classroom-change"

_CODE_MINUTES = 5
SETUP_MINUTES = 15


class LoginStep(Page):
    """A page of a login whose password was right."""

    login_outcome: LoginOutcome | None = None
    """Set by `ClassroomAuthenticator.authenticate`."""
    login_device: str = ""
    """The known device, for it."""
    proven_name: str = ""
    """Set when the second factor was right, for `ClassroomAuthenticator.authenticate`."""

    def ask_second_factor(self, name: str, outcome: LoginOutcome) -> None:
        """Redirect to the next page of a login whose password was right, NEEDS_CODE or NEEDS_SETUP."""
        self.remember_password(CODE_TICKET, name)
        self.redirect_on("login/code" if outcome is LoginOutcome.NEEDS_CODE else "two-factor")

    def remember_password(self, ticket: str, name: str) -> None:
        """Let this browser's next page know that the right password of an account was typed in it."""
        if record := service.find_account(self.db, name):
            self.set_ticket(ticket, f"{fingerprint(record.info.password)} {name}", None)

    def remembered_account(self, ticket: str, minutes: int) -> service.AccountRecord | None:
        """Return the account whose password was typed in this browser some minutes ago and has not changed since."""
        expected, _, name = self.ticket(ticket, minutes=minutes).partition(" ")
        record = service.find_account(self.db, name) if name else None
        return record if record is not None and fingerprint(record.info.password) == expected else None

    def unfinished_login(self, minutes: int) -> service.AccountRecord | None:
        """Return the account that waits for the second factor in this browser."""
        record = self.remembered_account(CODE_TICKET, minutes)
        return record if record is not None and record.state is service.AccountState.APPROVED else None

    async def require_code(self, name: str) -> None:
        """Check the code of the form.

        Raises:
            AccountError: it is wrong, or too many wrong ones were typed.
        """
        code = self.field("code", "The code", two_factor.MAX_CODE_CHARACTERS)
        outcome = await self.authenticator.check_code(name, code, client_of(self, name))
        if outcome is LoginOutcome.LOCKED:
            raise AccountError("Too many wrong codes. Wait some minutes, then try again.", 429)
        if outcome is LoginOutcome.WRONG:
            raise AccountError("This code is incorrect or used already. Type the next one that your app shows.", 403)

    async def finish_login(self, name: str) -> User | None:
        """Begin the session; return the user, or None if JupyterHub refuses."""
        self.proven_name = name
        user = await self.login_user({"username": name})
        if user is not None:
            self._jupyterhub_user = user
            self.clear_ticket(CODE_TICKET)
            remember_device(self, name)
            events.record(Action.LOGIN, name)
        return user

    def works_without_login(self) -> bool:
        """Return whether the page is for people without a session."""
        return True

    def to_login(self, message: str) -> None:
        """Redirect to the login page, which shows the message."""
        self.flash(message)
        self.redirect_on("login")

    def redirect_on(self, page: str) -> None:
        """Redirect to a page of the login, which knows where the person wanted to go."""
        next_url = self.get_argument("next", "")
        self.redirect(
            url_path_join(self.hub.base_url, page) + ("?" + urlencode({"next": next_url}) if next_url else "")
        )


class CodePage(LoginStep):
    """The page /hub/login/code."""

    async def get(self) -> None:
        """Show the form."""
        record = self._record()
        if record is None:
            self.to_login("Sign in with your password first.")
            return
        await self._form(record)

    async def post(self) -> None:
        """Log in, or show in the form why not."""
        record = self._record()
        if record is None:
            self.to_login("The page was open for too long. Sign in again.")
            return
        try:
            await self._check(record.account.name)
        except AccountError as error:
            await self._form(record, str(error), error.status)

    async def _check(self, name: str) -> None:
        await self.require_code(name)
        # Someone may have closed the account meanwhile.
        record = self._record()
        if record is None:
            self.to_login("Sign in again.")
        elif self.authenticator.after_second_factor(record) is LoginOutcome.MUST_CHANGE:
            self.remember_password(CHANGE_TICKET, name)
            self.clear_ticket(CODE_TICKET)
            self.redirect_on("change-password")
        elif user := await self.finish_login(name):
            self.redirect(self.get_next_url(user))
        else:
            self.to_login("Sign in again.")

    def _record(self) -> service.AccountRecord | None:
        record = self.unfinished_login(_CODE_MINUTES)
        return record if record is not None and two_factor.is_on(self.db, record.account.name) else None

    async def _form(self, record: service.AccountRecord, error: str = "", status: int = 200) -> None:
        names = {"account_name": record.account.name, "error": error, "action": self.request.uri}
        await self.send_page("login-code.html", status, **names)
