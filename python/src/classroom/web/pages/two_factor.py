"""Page on which a person turns two-factor login on and off."""

from __future__ import annotations

import hmac

import segno
from jupyterhub.utils import url_path_join
from markupsafe import Markup

from classroom.accounts import two_factor
from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.accounts.passwords import MAX_PASSWORD_BYTES
from classroom.audit import events
from classroom.audit.events import Action
from classroom.web.pages.current_password import require_current_password
from classroom.web.pages.second_step import SETUP_MINUTES, LoginStep

_MAX_KEY_CHARACTERS = 64


class TwoFactorPage(LoginStep):
    """The page /hub/two-factor: for users who are logged in, and for instructors who have to set it up at the login."""

    async def get(self) -> None:
        """Show whether it is on."""
        name = self._name()
        if name is None:
            self.redirect(self.get_login_url() + "?next=" + url_path_join(self.hub.base_url, "two-factor"))
            return
        await self._show(name)

    async def post(self) -> None:
        """Begin, confirm or turn off, or show in the form why not."""
        name = self._name()
        if name is None:
            self.to_login("The page was open for too long. Sign in again.")
            return
        action = self.field("action", "The action", 16)
        try:
            if action == "begin":
                await self._begin(name)
            elif action == "confirm":
                await self._confirm(name)
            else:
                await self._turn_off(name)
        except AccountError as error:
            key = await self._shown_key(name) if action == "confirm" and error.status == 403 else ""
            await self._show(name, key=key, error=str(error), status=error.status)

    def works_without_login(self) -> bool:
        """Return whether an instructor sets it up before the login."""
        return self._name() is not None

    async def _begin(self, name: str) -> None:
        if self.current_user is not None:
            await self._require_password(name)
        await self._show(name, key=await two_factor.begin(self.db, name))

    async def _confirm(self, name: str) -> None:
        codes = await two_factor.confirm(self.db, name, self.field("code", "The code", two_factor.MAX_CODE_CHARACTERS))
        events.record(Action.TWO_FACTOR_ON, name, by=name)
        self.log.info("%s turned two-factor login on", name)
        user = self.current_user
        if user is None and self.unfinished_login(SETUP_MINUTES) is not None:
            user = await self.finish_login(name)
        if user is None:
            self.to_login("Two-factor login is on. Sign in again.")
            return
        await self._show(name, codes=codes, next_url=self.get_next_url(user) if self.proven_name else "")

    async def _shown_key(self, name: str) -> str:
        """Return the key after a wrong code to a page that has it already: without the password nobody learns it."""
        key = await two_factor.begin(self.db, name)
        typed = self.field("key", "The key", _MAX_KEY_CHARACTERS)
        return key if hmac.compare_digest(key.encode(), typed.encode()) else ""

    async def _turn_off(self, name: str) -> None:
        if self.current_user is None:
            raise AccountError("Sign in first.", 403)
        if self.authenticator.requires_two_factor(name):
            raise AccountError("Instructors of this class need two-factor login, so it cannot be turned off.", 403)
        await self._require_password(name)
        await self.require_code(name)
        two_factor.turn_off(self.db, name)
        events.record(Action.TWO_FACTOR_OFF, name)
        self.flash("Two-factor login is off.")
        self.redirect(self.request.path)

    async def _require_password(self, name: str) -> None:
        await require_current_password(self, name, self.field("password", "The password", MAX_PASSWORD_BYTES))

    def _name(self) -> str | None:
        if self.current_user is not None:
            return str(self.current_user.name)
        record = self.unfinished_login(SETUP_MINUTES)
        if record is None or self.authenticator.after_second_factor(record) is not LoginOutcome.NEEDS_SETUP:
            return None
        return record.account.name

    async def _show(  # noqa: PLR0913 - what the page shows
        self,
        name: str,
        *,
        key: str = "",
        codes: tuple[str, ...] = (),
        next_url: str = "",
        error: str = "",
        status: int = 200,
    ) -> None:
        self.set_header("Cache-Control", "no-store")
        await self.send_page(
            "two-factor.html",
            status,
            error=error,
            account_name=name,
            is_on=two_factor.is_on(self.db, name),
            is_required=self.authenticator.requires_two_factor(name),
            is_signed_in=self.current_user is not None,
            codes_left=two_factor.codes_left(self.db, name),
            key=key,
            qr=_qr_code(two_factor.setup_uri(key, name, self.settings["app"].class_settings.site.title)) if key else "",
            codes=codes,
            next_url=next_url,
            action=self.request.uri,
        )


def _qr_code(text: str) -> Markup:
    """Return an SVG, dark on white also on a dark page."""
    return Markup(segno.make(text, error="m").svg_inline(scale=5, border=3, light="#fff", title="QR code"))  # noqa: S704
