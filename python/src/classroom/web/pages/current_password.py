"""Check of the current password on pages for users who are logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.accounts.authenticator import LoginOutcome
from classroom.accounts.errors import AccountError
from classroom.web.pages.device import client_of

if TYPE_CHECKING:
    from classroom.web.pages.base import Page

TOO_MANY = "Too many wrong passwords. Wait some minutes, then try again."


async def require_current_password(page: Page, name: str, typed: str) -> None:
    """Check the password of a user who has a session.

    Raises:
        AccountError: it is wrong, or too many wrong ones were typed.
    """
    outcome = await page.authenticator.check_login(name, typed, client_of(page, name), signed_in=True)
    if outcome is LoginOutcome.LOCKED:
        raise AccountError(TOO_MANY, 429)
    if outcome is LoginOutcome.WRONG:
        raise AccountError("Your current password is incorrect. Type it again.", 403)
