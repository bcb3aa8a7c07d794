"""Migration of accounts from a stock site."""

from __future__ import annotations

from jupyterhub.scopes import needs_scope
from pydantic import Field
from tornado import web

from classroom.accounts import admin_password_file, stock_import
from classroom.accounts.homes import recorded_home
from classroom.accounts.service import COMMAND_LINE
from classroom.accounts.stock_import import StockAction, StockUser
from classroom.spawner.docker import ClassroomSpawner
from classroom.web.api.base import MAX_NAMES_PER_REQUEST, ApiHandler, RequestBody
from classroom.web.text import join_names


class _Person(RequestBody):
    name: str = Field(max_length=1000)
    password: str | None = Field(default=None, max_length=200)
    authorized: bool = False
    known: bool = False
    admin: bool = False
    email: str | None = Field(default=None, max_length=128)
    second_factor: str | None = Field(default=None, max_length=16)
    files: bool = False
    """Whether the caller needs the location of the home."""


class _People(RequestBody):
    people: tuple[_Person, ...] = Field(default=(), max_length=MAX_NAMES_PER_REQUEST)
    dry_run: bool = False


class Adoption(ApiHandler):
    """/hub/api/classroom/adopt, for `classroom adopt` only: a caller who can set a hash can log in as anyone."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Create accounts, and answer with the homes of those that have files."""
        if self.actor != COMMAND_LINE:
            raise web.HTTPError(403, "Only the operator's command can migrate accounts: run classroom adopt")
        body = self.parse_body(_People)
        candidates = [StockUser(**person.model_dump(exclude={"files"})) for person in body.people]
        admins = self.authenticator.admin_users
        if body.dry_run:
            planned = stock_import.plan_stock_import(self.db, candidates, admins)
        else:
            planned = stock_import.apply_stock_import(self.db, candidates, admins)
            added = tuple(user.name for user in planned if user.action is StockAction.ADD)
            self.log.info("Migrated accounts: %s", join_names(added) or "none")
        rows = []
        for user, person in zip(planned, body.people, strict=True):
            if user.action is StockAction.GIVE_PASSWORD and not body.dry_run:
                admin_password_file.delete_admin_password(self.authenticator.secrets_dir, user.name)
            needs_home = person.files and user.action not in {StockAction.NO_ACCOUNT, StockAction.REFUSE}
            home = self._home(user.name, make=not body.dry_run) if needs_home else None
            rows.append({"name": user.name, "deed": user.action.value, "why": user.why, "home": home})
        self.send_json({"people": rows, "dry_run": body.dry_run})

    def _home(self, name: str, *, make: bool) -> str | None:
        if not make:
            return recorded_home(self.db, name)
        user = self.find_user(name)
        spawner = user.spawner if user is not None else None
        return spawner.location if isinstance(spawner, ClassroomSpawner) else None
