"""What our pages have in common."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from tornado import web

from classroom.accounts.errors import AccountError

if TYPE_CHECKING:
    from classroom.accounts.authenticator import ClassroomAuthenticator

STALE_FORM = "This page was open for too long, or in another window meanwhile. Please try again."

_NOTICE = "classroom-notice"
_NOTICE_CHARACTERS = 400


class StaticFiles(CacheControlStaticFilesHandler):
    """Our scripts and styles; kept by browsers for as long as the hub runs (`?v=`)."""


class MethodNotAllowed(BaseHandler):
    """A URL that stock NativeAuthenticator changes things by: 405, whatever the method."""


class Page(BaseHandler):
    """A page of ours."""

    authenticator: ClassroomAuthenticator

    def check_xsrf_cookie(self) -> None:
        """As upstream, in words for the person at the form."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            self.log.warning("%s: %s", self.request.path, error.log_message)
            raise web.HTTPError(403, STALE_FORM) from error

    def field(self, name: str, title: str, limit: int) -> str:
        """One field of the form, as typed; empty if it is missing.

        Args:
            name: of the field.
            title: what the page calls it.
            limit: its characters at most.

        Raises:
            AccountError: it is longer, or not UTF-8.
        """
        try:
            value: str = self.get_body_argument(name, "", strip=False)
        except web.HTTPError as error:
            raise AccountError(f"{title} holds letters that cannot be read. Type it again.") from error
        if len(value) > limit:
            raise AccountError(f"{title} is too long: {len(value)} characters. At most {limit} are read.", 413)
        return value

    async def send_page(self, template: str, status: int = 200, **names: object) -> None:
        """Answer with a page."""
        self.set_status(status)
        names.setdefault("notice", self._take_notice())
        self.finish(await self.render_template(template, **names))

    # -- what a page says to the next one, and tickets: signed cookies of a short life ---------------------------------

    def flash(self, text: str) -> None:
        """Have the next page say this once."""
        self.set_ticket(_NOTICE, text[:_NOTICE_CHARACTERS], None)

    def _take_notice(self) -> str:
        text = self.ticket(_NOTICE, minutes=5)
        if text:
            self.clear_ticket(_NOTICE)
        return text

    def set_ticket(self, name: str, value: str, days: float | None) -> None:
        """Give the browser a value that it cannot forge; `days` None: until it is closed."""
        self.set_secure_cookie(name, value, expires_days=days, **self._cookie_options())

    def clear_ticket(self, name: str) -> None:
        """Take it back."""
        self.clear_cookie(name, **self._cookie_options())

    def ticket(self, name: str, *, minutes: float) -> str:
        """Read it; empty if there is none, or it is older or forged."""
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
    """What a ticket holds so that it ends when the password changes."""
    return hashlib.sha256(hashed).hexdigest()[:32]
