"""Students' servers as the hub knows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.scopes import needs_scope
from pydantic import Field
from sqlalchemy import select

from classroom.accounts.errors import AccountError
from classroom.web.api.accounts import MAX_NAMES_PER_REQUEST, Name
from classroom.web.api.base import ApiHandler, RequestBody, json_time

if TYPE_CHECKING:
    from jupyterhub.user import User


class _Stopped(RequestBody):
    names: tuple[Name, ...] = Field(default=(), max_length=MAX_NAMES_PER_REQUEST)
    all: bool = False


class Servers(ApiHandler):
    """/hub/api/classroom/servers."""

    @needs_scope("read:servers")
    async def get(self) -> None:
        """Those that run, start or stop; who has had theirs for longest comes first."""
        users = _with_server(self)
        users.sort(key=lambda user: (str(user.spawner.orm_spawner.started), user.name))
        self.send_json({"servers": [_described(user) for user in users]})


class ServersStopped(ApiHandler):
    """/hub/api/classroom/servers/stop."""

    @needs_scope("delete:servers")
    async def post(self) -> None:
        """Stop them, side by side. `refused`: starting or stopping."""
        body = self.parse_body(_Stopped)
        if not body.names and not body.all:
            raise AccountError("Nobody is named.")
        names = [user.name for user in _with_server(self)] if body.all else list(dict.fromkeys(body.names))
        found = {name: self.find_user(name) for name in names}
        known = {name: user for name, user in found.items() if user is not None}
        said = dict(zip(known, await asyncio.gather(*(self._stop(user) for user in known.values())), strict=True))
        self.log.info("%s stops servers of %s", self.actor, ", ".join(known) or "nobody")
        self.send_json(
            {
                "changed": [name for name, why in said.items() if why == ""],
                "unchanged": [name for name, why in said.items() if why is None],
                "unknown": [name for name in names if name not in known],
                "refused": {name: why for name, why in said.items() if why},
            }
        )

    async def _stop(self, user: User) -> str | None:
        """Empty when it is stopped, None when there was none, or the reason why it is not."""
        if not user.spawner.active:
            return None
        if user.spawner.pending:
            return "It is starting or stopping. Try again in a moment."
        await self.stop_single_user(user)
        if user.spawner.active:
            return "It takes long to stop. The hub's log says more."
        return ""


def _with_server(api: ApiHandler) -> list[User]:
    rows = api.db.scalars(select(orm.User.name).join(orm.Spawner, orm.Spawner.user_id == orm.User.id).distinct())
    users = (api.find_user(name) for name in rows)
    return [user for user in users if user is not None and user.spawner.active]


def _described(user: User) -> dict[str, object]:
    spawner = user.spawner
    return {
        "name": user.name,
        "state": spawner.pending or ("running" if spawner.ready else "starting"),
        "started": json_time(spawner.orm_spawner.started),
        "last_activity": json_time(spawner.orm_spawner.last_activity),
        "container": getattr(spawner, "container_name", None),
    }
