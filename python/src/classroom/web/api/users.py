"""JupyterHub's own endpoints of users: names follow the rule, and the settings alone name the instructors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserAPIHandler, UserListAPIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from classroom.accounts.names import username_problem
from classroom.accounts.service import CANNOT_RENAME

if TYPE_CHECKING:
    from collections.abc import Mapping

_CANNOT_PROMOTE = (
    "The settings alone name the instructors. Add the name to admins there, or remove it, and restart the hub."
)


class _Users(APIHandler):
    def _check_user_model(self, model: Mapping[str, Any]) -> None:
        super()._check_user_model(model)
        user = self.find_user(self.path_args[0]) if self.path_args else None
        if "admin" in model and model["admin"] != bool(user and user.admin):
            # It would hold until the next check of the session, five minutes.
            raise web.HTTPError(400, _CANNOT_PROMOTE)
        if user is not None and model.get("name", user.name) != user.name:
            raise web.HTTPError(400, CANNOT_RENAME)

    def _require_names(self, names: object) -> None:
        for name in names if isinstance(names, list | tuple) else ():
            normalized = self.authenticator.normalize_username(name) if isinstance(name, str) else ""
            if normalized and not self.authenticator.validate_username(normalized):
                raise web.HTTPError(400, "%s", username_problem(normalized))


class UserList(_Users, UserListAPIHandler):
    """`/api/users`."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Create users as upstream; the message about a wrong name gives the rule."""
        body = self.get_json_body()
        self._require_names(body.get("usernames") if isinstance(body, dict) else None)
        await super().post()


class UserAccount(_Users, UserAPIHandler):
    """`/api/users/NAME`."""

    @needs_scope("admin:users")
    async def post(self, user_name: str) -> None:
        """Create a user as upstream; the message about a wrong name gives the rule."""
        self._require_names([user_name])
        await super().post(user_name)

    def get_json_body(self) -> Any:  # noqa: ANN401 - as upstream's
        """Return the body, without a name that stays: upstream would remove it."""
        body = super().get_json_body()
        if isinstance(body, dict) and self.request.method == "PATCH" and body.get("name") == self.path_args[0]:
            del body["name"]
        return body

    @needs_scope("admin:users")
    async def patch(self, user_name: str) -> None:
        """Change a user as upstream, but neither the name nor the rights of an instructor."""
        await super().patch(user_name)
