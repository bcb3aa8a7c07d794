"""Base of the pages: form fields, notices, signed cookies, variables of the templates."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from classroom.accounts import service
from classroom.accounts.errors import AccountError
from classroom.web.api.announcement import current_announcement
from classroom.web.gate import make_pass, open_gate

if TYPE_CHECKING:
    from jupyterhub.user import User
    from sqlalchemy.orm import Session

    from classroom.accounts.authenticator import ClassroomAuthenticator

STALE_FORM = "This page was open for too long, or in another window meanwhile. Please try again."

SIGNED_OUT = "You were signed out meanwhile, so nothing was changed. Sign in again."

_FLASH = "classroom-notice"
_FLASH_CHARACTERS = 400


class StaticFiles(CacheControlStaticFilesHandler):
    """Our scripts and styles; browsers cache them until the hub restarts (`?v=`)."""


class MethodNotAllowed(BaseHandler):
    """A URL where stock NativeAuthenticator changes accounts: it answers 405 to every method."""


class Page(BaseHandler):
    """Handler of a page."""

    authenticator: ClassroomAuthenticator
    after_login: ClassVar[str] = ""
    """Path that follows a login after the session ended; empty for the page itself."""

    def check_xsrf_cookie(self) -> None:
        """Check as upstream, with a message for the person at the form. Who was signed out meanwhile signs in again."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            self.log.warning("%s: %s", self.request.path, error.log_message)
            if self.current_user is not None or self.works_without_login():
                raise web.HTTPError(403, STALE_FORM) from error
            self.flash(SIGNED_OUT)
            self.redirect(f"{self.get_login_url()}?{urlencode({'next': self.after_login or self.request.path})}")

    def works_without_login(self) -> bool:
        """Return whether the page is for people without a session."""
        return False

    def set_login_cookie(self, user: User) -> None:
        """Set the cookies of a login, and replace the pass of who used this browser before."""
        super().set_login_cookie(user)
        open_gate(self, make_pass(user, user.name))

    def field(self, name: str, title: str, limit: int) -> str:
        """Return a field of the form as typed; empty if it is missing.

        Args:
            name: of the field.
            title: its label, for messages.
            limit: most characters.

        Raises:
            AccountError: the text is longer, or not UTF-8.
        """
        try:
            value: str = self.get_body_argument(name, "", strip=False)
        except web.HTTPError as error:
            raise AccountError(f"{title} contains letters that cannot be read. Type it again.") from error
        if len(value) > limit:
            raise AccountError(f"{title} is too long: {len(value)} characters. At most {limit} are allowed.", 413)
        return value

    async def send_page(self, template: str, status: int = 200, **names: object) -> None:
        """Render a template and send it."""
        self.set_status(status)
        names.setdefault("notice", self._pop_flash())
        self.finish(await self.render_template(template, **names))

    # -- flash messages for the next page, and tickets: signed cookies with a short life -------------------------------

    def flash(self, text: str) -> None:
        """Show a message once, on the next page."""
        self.set_ticket(_FLASH, text[:_FLASH_CHARACTERS], None)

    def _pop_flash(self) -> str:
        text = self.ticket(_FLASH, minutes=5)
        if text:
            self.clear_ticket(_FLASH)
        return text

    def set_ticket(self, name: str, value: str, days: float | None) -> None:
        """Set a signed cookie; None for `days`: until the browser is closed."""
        self.set_secure_cookie(name, value, expires_days=days, **self._cookie_options())

    def clear_ticket(self, name: str) -> None:
        """Delete a signed cookie."""
        self.clear_cookie(name, **self._cookie_options())

    def ticket(self, name: str, *, minutes: float) -> str:
        """Return the value of a signed cookie; empty if it is missing, too old or forged."""
        value = self.get_secure_cookie(name, max_age_days=minutes / 1440)
        return value.decode("utf-8", "replace") if value else ""

    def _cookie_options(self) -> dict[str, Any]:
        return {
            "path": self.hub.base_url,
            "httponly": True,
            "samesite": "Lax",
            "secure": self.request.protocol == "https",
        }


def fingerprint(hashed: bytes) -> str:
    """Return a value for a ticket that becomes invalid when the password changes."""
    return hashlib.sha256(hashed).hexdigest()[:32]


def template_vars(db: Session, title: str) -> dict[str, Any]:
    """Return `JupyterHub.template_vars`: title, announcement and waiting sign-ups. Each page calls the functions again.

    Args:
        db: the hub's session.
        title: of the class.
    """

    def waiting(user: User | None) -> int:
        """Return the number for "Accounts" in the navigation."""
        if user is None or not getattr(user, "admin", False):
            return 0
        try:
            return service.waiting_count(db)
        except SQLAlchemyError:
            # The page that reports this error must not fail for the same reason.
            return 0

    def announcement(_user: User | None) -> str:
        """Return the announcement; empty without one."""
        try:
            current = current_announcement(db)
        except SQLAlchemyError:
            return ""  # as above
        return "" if current is None else current.text

    return {"classroom_title": title, "classroom_waiting": waiting, "classroom_announcement": announcement}
