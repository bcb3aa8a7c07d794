"""The instructor's list: who waits, who has an account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from tornado import web

from classroom.accounts import service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.web.pages.base import Page
from classroom.web.stop_servers import stop_servers
from classroom.web.text import join_names, time_ago

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_NAMES = 1000

_SAID = {
    "approve": ("Approved", "was approved already"),
    "reject": ("Rejected", "does not wait for approval, so nothing was rejected"),
    "revoke": ("Closed", "is not open, or is an instructor of the settings, so nothing was changed"),
}


class ApprovePage(Page):
    """The page /hub/authorize."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self) -> None:
        """The list. Nothing changes by looking at it."""
        await self._list()

    @web.authenticated
    @needs_scope("admin:users")
    async def post(self) -> None:
        """Approve, reject or revoke the accounts named in the form."""
        try:
            done = self._act()
        except AccountError as error:
            await self._list(str(error), error.status)
            return
        self.flash(done)
        self.redirect(self.request.path)

    def _act(self) -> str:
        action = self.field("action", "The action", 16)
        names = self.get_body_arguments("name", strip=False)
        if action not in _SAID:
            raise AccountError("The page asked for something that this site does not know. Load it again.")
        if not names:
            raise AccountError("Nobody is selected. Tick the names first, or use the buttons beside a name.")
        if len(names) > MAX_NAMES or any(len(name) > MAX_USERNAME for name in names):
            raise AccountError("The page named too many or too long names. Load it again.")
        if action == "approve":
            done = service.approve_accounts(self.db, names, self.current_user.name)
        elif action == "reject":
            done = service.reject_signups(self.db, names)
        else:
            done = service.revoke_accounts(self.db, names, self.authenticator.admin_users)
            self._stop_servers(done.changed)
        self.log.info("%s: %s %s", self.current_user.name, action, join_names(done.changed) or "nobody")
        if done.unknown and not done.changed:
            raise service.account_not_found(done.unknown[0])
        return _say(action, done)

    def _stop_servers(self, names: Iterable[str]) -> None:
        for name in names:
            user = self.find_user(name)
            if user is not None:
                # Not waited for: stopping takes seconds, and the student is signed out already.
                task = asyncio.ensure_future(stop_servers(self, user))
                task.add_done_callback(_log_failure(self, name))

    async def _list(self, error: str = "", status: int = 200) -> None:
        rows = service.list_accounts(self.db)
        await self.send_page(
            "authorize.html",
            status,
            error=error,
            waiting=[row for row in rows if row.state is service.AccountState.WAITING],
            revoked=[row for row in rows if row.state is service.AccountState.REVOKED],
            approved=[row for row in rows if row.state is service.AccountState.APPROVED],
            admins=self.authenticator.admin_users,
            age=time_ago,
        )


def _log_failure(page: Page, name: str) -> Callable[[asyncio.Future[None]], None]:
    def log(task: asyncio.Future[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            page.log.error("The server of %s could not be stopped: %s", name, task.exception())

    return log


def _say(action: str, done: service.BatchResult) -> str:
    verb, already = _SAID[action]
    parts = []
    if done.changed:
        parts.append(f"{verb}: {join_names(done.changed)}.")
    if done.unchanged:
        parts.append(f"{join_names(done.unchanged)} {already}.")
    if done.unknown:
        parts.append(f"There is no account named {join_names(done.unknown)} any more.")
    return " ".join(parts)
