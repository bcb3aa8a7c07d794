"""Taking over the accounts of a stock site."""

from __future__ import annotations

from jupyterhub.scopes import needs_scope
from pydantic import Field
from tornado import web

from classroom.accounts import admin_password_file, stock_import
from classroom.accounts.homes import recorded_home
from classroom.accounts.service import COMMAND_LINE
from classroom.accounts.stock_import import Action, Candidate
from classroom.spawner.docker import ClassroomSpawner
from classroom.web.api.accounts import MAX_LINES
from classroom.web.api.base import Api, Body
from classroom.web.text import listed


class _Person(Body):
    name: str = Field(max_length=1000)
    password: str | None = Field(default=None, max_length=200)
    authorized: bool = False
    known: bool = False
    admin: bool = False
    email: str | None = Field(default=None, max_length=128)
    second_factor: str | None = Field(default=None, max_length=16)
    files: bool = False
    """The home is asked for."""


class _People(Body):
    people: tuple[_Person, ...] = Field(default=(), max_length=MAX_LINES)
    dry_run: bool = False


class Adoption(Api):
    """/hub/api/classroom/adopt. For the operator's command: who may set a hash may be anybody."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Make accounts, and say where the homes of those are who have files."""
        if self.who != COMMAND_LINE:
            raise web.HTTPError(403, "Accounts are taken over by the operator's command only: classroom adopt")
        body = self.body(_People)
        candidates = [Candidate(**each.model_dump(exclude={"files"})) for each in body.people]
        admins = self.authenticator.admin_users
        if body.dry_run:
            lines = stock_import.plan(self.db, candidates, admins)
        else:
            lines = stock_import.carry_out(self.db, candidates, admins)
            added = tuple(line.name for line in lines if line.deed is Action.ADD)
            self.log.info("Taken over from the original: %s", listed(added) or "nobody")
        rows = []
        for line, person in zip(lines, body.people, strict=True):
            if line.deed is Action.GIVE_PASSWORD and not body.dry_run:
                admin_password_file.forget(self.authenticator.secrets_dir, line.name)
            asked = person.files and line.deed not in {Action.NO_ACCOUNT, Action.REFUSE}
            home = self._home(line.name, make=not body.dry_run) if asked else None
            rows.append({"name": line.name, "deed": line.deed.value, "why": line.why, "home": home})
        self.answer({"people": rows, "dry_run": body.dry_run})

    def _home(self, name: str, *, make: bool) -> str | None:
        if not make:
            return recorded_home(self.db, name)
        user = self.find_user(name)
        spawner = user.spawner if user is not None else None
        return spawner.location if isinstance(spawner, ClassroomSpawner) else None
