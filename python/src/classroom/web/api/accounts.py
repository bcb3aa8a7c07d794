"""Accounts: list, bulk import, and actions on several accounts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.scopes import needs_scope
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from classroom.accounts import bulk_import, passwords, service, signup_shares, two_factor
from classroom.accounts.bulk_import import NEEDS_PASSWORD, ImportAction, ImportRow
from classroom.accounts.errors import AccountError
from classroom.audit.events import Action, record
from classroom.settings.groups import configured_members
from classroom.web.api.base import MAX_NAMES_PER_REQUEST, ApiHandler, NamesBody, RequestBody, json_time
from classroom.web.end_logins import end_logins
from classroom.web.stop_servers import stop_servers
from classroom.web.text import join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_IS_INSTRUCTOR = "An instructor in the settings. Remove the name from admins there first, and restart the hub."


_RECORDED = {"approve": Action.APPROVED, "reject": Action.REJECTED, "revoke": Action.CLOSED}
"""The others are recorded where they happen."""


class _AccountsBody(NamesBody):
    origin: str = Field(default="", max_length=64)
    """To reject all sign-ups that wait from an address or IPv6 network."""


class _Row(RequestBody):
    name: str = Field(max_length=1000)
    full_name: str = Field(default="", max_length=1000)
    group: str = Field(default="", max_length=1000)


class _ClassList(RequestBody):
    accounts: tuple[_Row, ...] = Field(min_length=1, max_length=MAX_NAMES_PER_REQUEST)
    dry_run: bool = False


class Accounts(ApiHandler):
    """/hub/api/classroom/accounts."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """Send all accounts, oldest first."""
        users = {user.name: user for user in self.db.scalars(select(orm.User).options(selectinload(orm.User.groups)))}
        groups = configured_members(self.settings["app"].class_settings).items()
        rows = [
            _account_json(account, users.get(account.name), [group for group, names in groups if account.name in names])
            for account in service.list_accounts(self.db)
        ]
        self.send_json({"accounts": rows})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Create the accounts of a class list, or change nothing; only this answer contains the passwords."""
        body = self.parse_body(_ClassList)
        rows = bulk_import.plan_import(
            self.db, [ImportRow(**row.model_dump()) for row in body.accounts], self.authenticator.admin_users
        )
        generated: Mapping[str, str] = {}
        if not body.dry_run:
            generated = {
                row.name: passwords.generate_one_time_password() for row in rows if row.action in NEEDS_PASSWORD
            }
            hashes = await self.authenticator.hasher.hash_generated(list(generated.values()))
            rows = bulk_import.apply_import(self.db, rows, dict(zip(generated, hashes, strict=True)), self.actor)
            added = [row.name for row in rows if row.action is ImportAction.ADD]
            self.log.info("%s: added %s", self.actor, join_names(added) or "nobody")
            for name in added:
                record(Action.ACCOUNT_CREATED, name)
        accounts = [
            {
                "name": row.name,
                "full_name": row.full_name,
                "group": row.group,
                "deed": row.action.value,
                "password": generated.get(row.name) if row.action in NEEDS_PASSWORD else None,
            }
            for row in rows
        ]
        self.send_json({"accounts": accounts, "dry_run": body.dry_run})


class AccountAction(ApiHandler):
    """/hub/api/classroom/accounts/<action>, for several names."""

    @needs_scope("admin:users")
    async def post(self, action: str) -> None:
        """Apply the action to each name; a refused name does not stop the others."""
        body = self.parse_body(_AccountsBody)
        names = tuple(dict.fromkeys(self._account_name(name) for name in body.names))
        if body.all:
            if action != "approve":
                raise AccountError("Only approve accepts all. Name the accounts.")
            accounts = service.list_accounts(self.db)
            names = tuple(account.name for account in accounts if account.state is service.AccountState.WAITING)
        elif not names and not (body.origin and action == "reject"):
            raise AccountError("The request names no account.")
        answer = await self._apply(action, names, body.origin)
        changed = answer["changed"]
        self.log.info("%s: %s %s", self.actor, action, join_names(changed) if isinstance(changed, list) else "")
        if recorded := _RECORDED.get(action):
            for name in changed if isinstance(changed, list) else ():
                record(recorded, name)
        self.send_json(answer)

    def _account_name(self, typed: str) -> str:
        """Return the name of an account as it is, or as somebody typed it with capitals or invisible characters."""
        exact = service.find_account(self.db, typed.strip())
        return typed.strip() if exact else self.authenticator.normalize_username(typed)

    async def _apply(self, action: str, names: tuple[str, ...], origin: str) -> dict[str, object]:
        if action == "approve":
            return _result_json(service.approve_accounts(self.db, names, self.actor))
        if action == "reject":
            return self._reject(names, origin)
        if action == "revoke":
            return await self._revoke(names)
        if action == "remove":
            return await self._remove(names)
        if action == "reset-password":
            return await self._reset_passwords(names)
        return self._reset_two_factor(names)

    def _reject(self, names: tuple[str, ...], origin: str) -> dict[str, object]:
        result = service.reject_signups(self.db, names)
        others = signup_shares.reject_from(self.db, origin) if origin else ()
        return _result_json(result) | {"changed": [*result.changed, *others]}

    async def _revoke(self, names: tuple[str, ...]) -> dict[str, object]:
        result = service.revoke_accounts(self.db, names, self.authenticator.admin_users)
        refused = {name: _IS_INSTRUCTOR for name in result.unchanged if name in self.authenticator.admin_users}
        users = [user for name in result.changed if (user := self.find_user(name)) is not None]
        await asyncio.gather(*(stop_servers(self, user) for user in users))
        unchanged = [name for name in result.unchanged if name not in refused]
        return _result_json(result) | {"unchanged": unchanged, "refused": refused}

    async def _remove(self, names: tuple[str, ...]) -> dict[str, object]:
        changed, unknown, refused = [], [], {}
        for name in names:
            if service.find_account(self.db, name) is None and self.find_user(name) is None:
                unknown.append(name)
            elif problem := await self._remove_one(name):
                refused[name] = problem
            else:
                changed.append(name)
        return {"changed": changed, "unchanged": [], "unknown": unknown, "refused": refused}

    async def _remove_one(self, name: str) -> str:
        """Remove an account as JupyterHub's own API does, its server first; return why it is refused, or ""."""
        if name in self.authenticator.admin_users:
            return _IS_INSTRUCTOR
        if name == self.current_user.name and self.current_user.kind == "user":
            return "You cannot remove your own account."
        user = self.find_user(name)
        if user is None:
            service.remove_account(self.db, name)
            record(Action.REMOVED, name)
            return ""
        await stop_servers(self, user)
        if user.spawner.pending:
            return "The server is starting or stopping. Try again in a moment."
        self.authenticator.delete_user(user)
        await user.delete_spawners()
        self.users.delete(user)
        return ""

    async def _reset_passwords(self, names: tuple[str, ...]) -> dict[str, object]:
        generated: dict[str, str] = {}
        unknown, refused = [], {}
        for name in names:
            user = self.find_user(name)
            if service.find_account(self.db, name) is None:
                unknown.append(name)
            elif user is not None and user.admin and self.current_user.kind == "user" and not self.current_user.admin:
                refused[name] = "Only an instructor can reset the password of an instructor."
            else:
                generated[name] = await self.authenticator.set_one_time_password(name)
        await end_logins(self, generated)
        return {
            "changed": list(generated),
            "unchanged": [],
            "unknown": unknown,
            "refused": refused,
            "passwords": generated,
        }

    def _reset_two_factor(self, names: tuple[str, ...]) -> dict[str, object]:
        changed, unchanged, unknown, refused = [], [], [], {}
        for name in names:
            if service.find_account(self.db, name) is None:
                unknown.append(name)
            elif self.current_user.kind == "user" and name in self.authenticator.admin_users:
                # Otherwise the session of one instructor would open the accounts of all.
                refused[name] = "Only the command line can turn off an instructor's two-factor login."
            elif two_factor.turn_off(self.db, name):
                record(Action.TWO_FACTOR_RESET, name)
                changed.append(name)
            else:
                unchanged.append(name)
        return {"changed": changed, "unchanged": unchanged, "unknown": unknown, "refused": refused}


def _result_json(result: service.BatchResult) -> dict[str, object]:
    return {
        "changed": list(result.changed),
        "unchanged": list(result.unchanged),
        "unknown": list(result.unknown),
        "refused": {},
    }


def _account_json(account: service.AccountSummary, user: orm.User | None, groups: Iterable[str]) -> dict[str, object]:
    return {
        "name": account.name,
        "full_name": account.full_name,
        "state": account.state.value,
        "since": json_time(account.created),
        "approved_by": account.approved_by,
        "approved_at": json_time(account.approved_at),
        "admin": account.is_admin,
        "must_change": account.must_change,
        "has_password": account.has_password,
        "two_factor": account.has_two_factor,
        "origin": account.origin or None,
        "last_activity": json_time(user.last_activity) if user is not None else None,
        "groups": sorted({*groups, *(group.name for group in (user.groups if user is not None else ()))}),
    }
