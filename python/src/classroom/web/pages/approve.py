"""The instructors' list of accounts and of sign-ups that wait for approval."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from tornado import web

from classroom.accounts import service, signup_shares
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.audit.events import Action, record
from classroom.web.pages.base import Page
from classroom.web.stop_servers import stop_servers
from classroom.web.text import join_names, plural, time_ago

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_NAMES = 1000
_SHOWN = 200
"""Sign-ups on the page; a flood would make it slow, and nobody reads more at once."""

_RESULTS = {
    "approve": ("Approved", "was approved already"),
    "reject": ("Rejected", "does not wait for approval, so nothing was rejected"),
    "revoke": ("Closed", "is not open, or is an instructor in the settings, so nothing was changed"),
}


_RECORDED = {"approve": Action.APPROVED, "reject": Action.REJECTED, "revoke": Action.CLOSED}


class ApprovePage(Page):
    """The page /hub/authorize."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self) -> None:
        """Show the list."""
        await self._list()

    @web.authenticated
    @needs_scope("admin:users")
    async def post(self) -> None:
        """Approve, reject or revoke the accounts named in the form."""
        try:
            message = self._act()
        except AccountError as error:
            await self._list(str(error), error.status)
            return
        self.flash(message)
        self.redirect(self.request.path)

    def _act(self) -> str:
        action = self.field("action", "The action", 16)
        if action == "reject-from":
            return self._reject_from(self.field("origin", "The address", 64))
        names = self.get_body_arguments("name", strip=False)
        if action not in _RESULTS:
            raise AccountError("This site does not know the action of the page. Load the page again.")
        if not names:
            raise AccountError("Nobody is selected. Select names first, or use the buttons next to a name.")
        if len(names) > _MAX_NAMES or any(len(name) > MAX_USERNAME for name in names):
            raise AccountError("The names are too many or too long. Load the page again.")
        if action == "approve":
            result = service.approve_accounts(self.db, names, self.current_user.name)
        elif action == "reject":
            result = service.reject_signups(self.db, names)
        else:
            result = service.revoke_accounts(self.db, names, self.authenticator.admin_users)
            self._stop_servers(result.changed)
        self.log.info("%s: %s %s", self.current_user.name, action, join_names(result.changed) or "nobody")
        for name in result.changed:
            record(_RECORDED[action], name)
        if result.unknown and not result.changed:
            raise service.account_not_found(result.unknown[0])
        return _message(action, result)

    def _reject_from(self, origin: str) -> str:
        names = signup_shares.reject_from(self.db, origin)
        self.log.info("%s: rejected %s sign-ups from %s", self.current_user.name, len(names), origin)
        for name in names:
            record(Action.REJECTED, name)
        return f"Rejected: {plural(len(names), 'sign-up')} from {origin or 'unknown addresses'}."

    def _stop_servers(self, names: Iterable[str]) -> None:
        for name in names:
            user = self.find_user(name)
            if user is not None:
                # Not awaited: a stop takes seconds, and the student is logged out already.
                task = asyncio.ensure_future(stop_servers(self, user))
                task.add_done_callback(partial(self._log_failure, name))

    def _log_failure(self, name: str, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.log.error("The server of %s could not be stopped: %s", name, task.exception())

    async def _list(self, error: str = "", status: int = 200) -> None:
        rows = service.list_accounts(self.db)
        waiting = [row for row in rows if row.state is service.AccountState.WAITING]
        await self.send_page(
            "authorize.html",
            status,
            error=error,
            waiting=waiting[:_SHOWN],
            waiting_count=len(waiting),
            crowded=Counter(row.origin for row in waiting).most_common(10) if len(waiting) > _SHOWN else (),
            revoked=[row for row in rows if row.state is service.AccountState.REVOKED],
            approved=[row for row in rows if row.state is service.AccountState.APPROVED],
            admins=self.authenticator.admin_users,
            age=time_ago,
        )


def _message(action: str, result: service.BatchResult) -> str:
    verb, already = _RESULTS[action]
    parts = []
    if result.changed:
        parts.append(f"{verb}: {join_names(result.changed)}.")
    if result.unchanged:
        parts.append(f"{join_names(result.unchanged)} {already}.")
    if result.unknown:
        parts.append(f"There is no account named {join_names(result.unknown)}.")
    return " ".join(parts)
