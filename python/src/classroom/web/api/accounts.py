"""Accounts: the list, new ones, and what is done with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from jupyterhub import orm
from jupyterhub.scopes import needs_scope
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from classroom.accounts import bulk_import, passwords, service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.settings.groups import configured_members
from classroom.web.api.base import ApiHandler, RequestBody, json_time
from classroom.web.stop_servers import stop_servers
from classroom.web.text import join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_NAMES_PER_REQUEST = 10_000

Name = Annotated[str, Field(max_length=MAX_USERNAME)]


class _Line(RequestBody):
    name: str = Field(max_length=1000)
    full_name: str = Field(default="", max_length=1000)
    group: str = Field(default="", max_length=1000)


class _Roster(RequestBody):
    accounts: tuple[_Line, ...] = Field(min_length=1, max_length=MAX_NAMES_PER_REQUEST)
    dry_run: bool = False


class _Names(RequestBody):
    names: tuple[Name, ...] = Field(default=(), max_length=MAX_NAMES_PER_REQUEST)
    all: bool = False
    """All who wait; only for `approve`."""


class Accounts(ApiHandler):
    """/hub/api/classroom/accounts."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """All accounts, oldest first."""
        users = {user.name: user for user in self.db.scalars(select(orm.User).options(selectinload(orm.User.groups)))}
        groups = configured_members(self.settings["app"].class_settings).items()
        rows = [
            _described(entry, users.get(entry.name), [group for group, names in groups if entry.name in names])
            for entry in service.list_accounts(self.db)
        ]
        self.send_json({"accounts": rows})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Have all people of a list have an account, or do nothing; passwords are said in this answer only."""
        body = self.parse_body(_Roster)
        wishes = [bulk_import.ImportRow(line.name, line.full_name, line.group) for line in body.accounts]
        lines = bulk_import.plan_import(self.db, wishes, self.authenticator.admin_users)
        given: Mapping[str, str] = {}
        if not body.dry_run:
            given = {
                line.name: passwords.generate_one_time_password()
                for line in lines
                if line.action in bulk_import.NEEDS_PASSWORD
            }
            hashes = await self.authenticator.hasher.hash_generated(list(given.values()))
            lines = bulk_import.apply_import(self.db, lines, dict(zip(given, hashes, strict=True)), self.actor)
            added = tuple(line.name for line in lines if line.action is bulk_import.ImportAction.ADD)
            self.log.info("%s: added %s", self.actor, join_names(added) or "nobody")
        rows = [
            {
                "name": line.name,
                "full_name": line.full_name,
                "group": line.group,
                "deed": line.action.value,
                "password": given.get(line.name) if line.action in bulk_import.NEEDS_PASSWORD else None,
            }
            for line in lines
        ]
        self.send_json({"accounts": rows, "dry_run": body.dry_run})


class AccountAction(ApiHandler):
    """/hub/api/classroom/accounts/<action>, for several names."""

    @needs_scope("admin:users")
    async def post(self, action: str) -> None:
        """Do it; what cannot be done with one name keeps no other from it."""
        body = self.parse_body(_Names)
        names = tuple(dict.fromkeys(name.strip() for name in body.names))
        if body.all:
            if action != "approve":
                raise AccountError("Only approve takes all. Name the accounts.")
            names = tuple(
                entry.name for entry in service.list_accounts(self.db) if entry.state is service.AccountState.WAITING
            )
        elif not names:
            raise AccountError("Nobody is named.")
        if action == "approve":
            answer = _done(service.approve_accounts(self.db, names, self.actor))
        elif action == "revoke":
            answer = await self._revoke(names)
        elif action == "remove":
            answer = await self._remove(names)
        else:
            answer = await self._reset(names)
        changed = answer["changed"]
        self.log.info("%s: %s %s", self.actor, action, join_names(tuple(changed)) if isinstance(changed, list) else "")
        self.send_json(answer)

    async def _revoke(self, names: tuple[str, ...]) -> dict[str, object]:
        done = service.revoke_accounts(self.db, names, self.authenticator.admin_users)
        refused = {name: _INSTRUCTOR for name in done.unchanged if name in self.authenticator.admin_users}
        users = [user for name in done.changed if (user := self.find_user(name)) is not None]
        await asyncio.gather(*(stop_servers(self, user) for user in users))
        return _done(done) | {"unchanged": [n for n in done.unchanged if n not in refused], "refused": refused}

    async def _remove(self, names: tuple[str, ...]) -> dict[str, object]:
        changed, unknown, refused = [], [], {}
        for name in names:
            if service.find_account(self.db, name) is None and self.find_user(name) is None:
                unknown.append(name)
            elif why := await self._remove_one(name):
                refused[name] = why
            else:
                changed.append(name)
        return {"changed": changed, "unchanged": [], "unknown": unknown, "refused": refused}

    async def _remove_one(self, name: str) -> str:
        """Remove an account as JupyterHub's own API does, its server first; gives the reason why not."""
        if name in self.authenticator.admin_users:
            return _INSTRUCTOR
        if name == self.current_user.name and self.current_user.kind == "user":
            return "Nobody removes their own account."
        user = self.find_user(name)
        if user is None:
            service.remove_account(self.db, name)
            return ""
        await stop_servers(self, user)
        if user.spawner.pending:
            return "The server is starting or stopping. Try again in a moment."
        self.authenticator.delete_user(user)
        await user.delete_spawners()
        self.users.delete(user)
        return ""

    async def _reset(self, names: tuple[str, ...]) -> dict[str, object]:
        given: dict[str, str] = {}
        unknown, refused = [], {}
        for name in names:
            user = self.find_user(name)
            if service.find_account(self.db, name) is None:
                unknown.append(name)
            elif user is not None and user.admin and self.current_user.kind == "user" and not self.current_user.admin:
                refused[name] = "Only an instructor may give an instructor a new password."
            else:
                given[name] = await self.authenticator.set_one_time_password(name)
        return {
            "changed": list(given),
            "unchanged": [],
            "unknown": unknown,
            "refused": refused,
            "passwords": given,
        }


_INSTRUCTOR = "An instructor of the settings. Take the name out of admins there first, and restart the hub."


def _done(done: service.BatchResult) -> dict[str, object]:
    return {
        "changed": list(done.changed),
        "unchanged": list(done.unchanged),
        "unknown": list(done.unknown),
        "refused": {},
    }


def _described(entry: service.AccountSummary, user: orm.User | None, groups: Iterable[str]) -> dict[str, object]:
    return {
        "name": entry.name,
        "full_name": entry.full_name,
        "state": entry.state.value,
        "since": json_time(entry.created),
        "approved_by": entry.approved_by,
        "approved_at": json_time(entry.approved_at),
        "admin": entry.is_admin,
        "must_change": entry.must_change,
        "has_password": entry.has_password,
        "last_activity": json_time(user.last_activity) if user is not None else None,
        "groups": sorted({*groups, *(group.name for group in (user.groups if user is not None else ()))}),
    }
