"""Students' servers as the hub knows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.scopes import needs_scope
from sqlalchemy import select

from classroom.accounts.errors import AccountError
from classroom.web.api.base import ApiHandler, NamesBody, json_time

if TYPE_CHECKING:
    from jupyterhub.user import User

    from classroom.spawner.endings import Ending, Endings


class Servers(ApiHandler):
    """/hub/api/classroom/servers."""

    @needs_scope("read:servers")
    async def get(self) -> None:
        """Send the servers that run, start or stop, oldest first."""
        users = _users_with_server(self)
        users.sort(key=lambda user: (str(user.spawner.orm_spawner.started), user.name))
        self.send_json({"servers": [_server_json(user) for user in users]})


class ServersStopped(ApiHandler):
    """/hub/api/classroom/servers/stop."""

    @needs_scope("delete:servers")
    async def post(self) -> None:
        """Stop servers concurrently; refuse those that are starting or stopping."""
        body = self.parse_body(NamesBody)
        if not body.names and not body.all:
            raise AccountError("The request names no student.")
        names = [user.name for user in _users_with_server(self)] if body.all else list(dict.fromkeys(body.names))
        users = {name: user for name in names if (user := self.find_user(name)) is not None}
        results = dict(zip(users, await asyncio.gather(*(self._stop(user) for user in users.values())), strict=True))
        self.log.info("%s stops servers of %s", self.actor, ", ".join(users) or "nobody")
        self.send_json(
            {
                "changed": [name for name, problem in results.items() if problem == ""],
                "unchanged": [name for name, problem in results.items() if problem is None],
                "unknown": [name for name in names if name not in users],
                "refused": {name: problem for name, problem in results.items() if problem},
            }
        )

    async def _stop(self, user: User) -> str | None:
        """Stop a server; return why it is not stopped, "" when it is, None when there was none."""
        if not user.spawner.active:
            return None
        if user.spawner.pending:
            return "The server is starting or stopping. Try again in a moment."
        await self.stop_single_user(user)
        if user.spawner.active:
            return "The server takes long to stop. The hub's log says more."
        return ""


class ServerEnding(ApiHandler):
    """/hub/api/classroom/servers/<name>/ending."""

    @needs_scope("read:servers")
    async def get(self, user_name: str) -> None:
        """Send why the student's last server ended, with the last lines of its log; null without one within a day."""
        endings: Endings = self.settings["app"].endings
        ending = endings.last(user_name)
        self.send_json({"ending": _ending_json(ending) if ending else None})


def _ending_json(ending: Ending) -> dict[str, object]:
    at = ending.moment.isoformat(timespec="seconds")
    return {"why": ending.why, "text": ending.text, "at": at, "lines": ending.lines}


def _users_with_server(handler: ApiHandler) -> list[User]:
    names = handler.db.scalars(select(orm.User.name).join(orm.Spawner, orm.Spawner.user_id == orm.User.id).distinct())
    users = (handler.find_user(name) for name in names)
    return [user for user in users if user is not None and user.spawner.active]


def _server_json(user: User) -> dict[str, object]:
    spawner = user.spawner
    return {
        "name": user.name,
        "state": spawner.pending or ("running" if spawner.ready else "starting"),
        "started": json_time(spawner.orm_spawner.started),
        "last_activity": json_time(spawner.orm_spawner.last_activity),
        "container": getattr(spawner, "container_name", None),
    }
