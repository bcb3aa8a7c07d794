"""JupyterHub's own endpoints, with a bound or a line in the audit log that upstream does not have."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jupyterhub.apihandlers.auth import OAuthAuthorizeHandler, OAuthTokenHandler
from jupyterhub.apihandlers.users import (
    ActivityAPIHandler,
    UserServerAPIHandler,
    UserTokenAPIHandler,
    UserTokenListAPIHandler,
    _parse_timestamp,
)
from oauthlib.oauth2 import OAuth2Error
from tornado import web

from classroom.audit.events import Action, record
from classroom.db.models import utc_now
from classroom.errors import no_space_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CULLER = "culler"
"""The service that stops idle servers."""

_STARTED = utc_now()
_FIRST_REPORTS = timedelta(minutes=3)
"""Servers report each minute, and four times in `culling.idle` at least."""

_unsaved_activity: dict[str, datetime] = {}
"""When students were last active, by name, as long as the disk is too full to record it."""


class ActivityReport(ActivityAPIHandler):
    """Report of a server about its activity; a time in the future counts as now.

    Upstream takes an hour ahead, so a student's token could put off the end of an idle server with one report an hour.
    """

    def get_json_body(self) -> Any:  # noqa: ANN401 - as upstream's
        """Return the body, with no time after now."""
        body = super().get_json_body()
        if isinstance(body, dict):
            servers = body.get("servers")
            reports = [body, *(servers.values() if isinstance(servers, dict) else ())]
            for report in reports:
                if isinstance(report, dict) and report.get("last_activity"):
                    report["last_activity"] = _not_after_now(report["last_activity"])
        return body

    def post(self, user_name: str) -> None:
        """Record as upstream, or remember what a full disk does not take."""
        try:
            super().post(user_name)
        except Exception as error:
            if no_space_reason(error) and (time := self.get_json_body().get("last_activity")):
                _unsaved_activity[user_name] = _parse_timestamp(time)
            raise
        _unsaved_activity.pop(user_name, None)


class ServerStop(UserServerAPIHandler):
    """`/api/users/NAME/server`."""

    async def delete(self, user_name: str, server_name: str = "") -> None:
        """Stop a server as upstream, but as idle none whose activity the hub does not know.

        Raises:
            HTTPError: 409, the server may be in use.
        """
        if getattr(self.current_user, "name", "") == CULLER and self._may_be_in_use(user_name):
            raise web.HTTPError(409, "%s's server may be in use, which the hub could not record.", user_name)
        await super().delete(user_name, server_name)

    def _may_be_in_use(self, user_name: str) -> bool:
        now, idle = utc_now(), timedelta(seconds=self.settings["app"].class_settings.culling.idle)
        unsaved, user = _unsaved_activity.get(user_name), self.find_user(user_name)
        if unsaved is not None and now - unsaved < idle:
            return True
        recorded = user.spawner.orm_spawner.last_activity if user is not None else None
        # After a hub that was away for long, each server looks idle until it reports.
        return now - _STARTED < min(idle, _FIRST_REPORTS) and recorded is not None and recorded < _STARTED


class TokenList(UserTokenListAPIHandler):
    """`/api/users/NAME/tokens`."""

    async def post(self, user_name: str) -> None:
        """Create a token as upstream, and record it."""
        await super().post(user_name)
        record(Action.TOKEN_CREATED, user_name)


class Token(UserTokenAPIHandler):
    """`/api/users/NAME/tokens/ID`."""

    def delete(self, user_name: str, token_id: str) -> None:
        """Delete a token as upstream, and record it."""
        super().delete(user_name, token_id)
        record(Action.TOKEN_REVOKED, user_name, detail=token_id)


class _Utf8Body:
    """Handler of OAuth that answers 400 to a body that is no text; upstream answers 500."""

    def extract_oauth_params(self) -> Any:  # noqa: ANN401 - as upstream's
        """Return what oauthlib reads.

        Raises:
            HTTPError: 400, the body is not UTF-8.
        """
        try:
            self.request.body.decode()  # type: ignore[attr-defined]
        except UnicodeDecodeError as error:
            raise web.HTTPError(400, "The body is not UTF-8.") from error
        return super().extract_oauth_params()  # type: ignore[misc]


class ServerToken(_Utf8Body, OAuthTokenHandler):
    """`/api/oauth2/token`."""

    def post(self) -> None:
        """Exchange a code for a token as upstream, and answer 400 where upstream answers 500.

        Raises:
            HTTPError: 400, the request is not one of OAuth.
        """
        try:
            super().post()
        except OAuth2Error as error:
            raise web.HTTPError(400, error.description) from error


class ServerLogin(_Utf8Body, OAuthAuthorizeHandler):
    """Login of a browser at a server, recorded where the server is somebody else's."""

    def send_oauth_response(self, headers: Mapping[str, str], body: str, status: int) -> None:
        """Send the answer as upstream, and record a login at somebody else's server."""
        super().send_oauth_response(headers, body, status)
        client = self.oauth_provider.fetch_by_client_id(self.get_argument("client_id", ""))
        owner = (
            client.spawner.user.name if client is not None and client.spawner is not None else self.current_user.name
        )
        if owner != self.current_user.name and "code=" in headers.get("Location", ""):
            record(Action.SERVER_VISITED, owner)


def _not_after_now(time: object) -> str:
    """Return a time as upstream reads it, or the current one if that is earlier.

    Raises:
        HTTPError: 400, it is no time.
    """
    latest: datetime = min(_parse_timestamp(time), utc_now())
    return latest.isoformat()
