"""What our endpoints have in common: JSON in and out, and every error a sentence."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, TypeVar

from jupyterhub.apihandlers.base import APIHandler
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tornado import web

from classroom.accounts.service import COMMAND_LINE
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from classroom.accounts.authenticator import ClassroomAuthenticator

_Body = TypeVar("_Body", bound=BaseModel)

RowId = Annotated[int, Field(ge=1, le=2**31)]
"""Of a row of a table: databases raise on greater ones."""


class RequestBody(BaseModel):
    """What a request says."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiHandler(APIHandler):
    """An endpoint of ours."""

    authenticator: ClassroomAuthenticator

    @property
    def actor(self) -> str:
        """Who asks, as accounts remember it."""
        name: str = self.current_user.name
        return COMMAND_LINE if self.current_user.kind == "service" and name == "cli" else name

    def parse_body(self, model: type[_Body]) -> _Body:
        """The request's body.

        Raises:
            HTTPError: it is not what is expected; the message says where.
        """
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise web.HTTPError(400, "%s: %s", where, first["msg"]) from error

    def log_exception(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As upstream; a sentence for the person who asks is no error of the hub."""
        if not isinstance(error, ClassroomError):
            super().log_exception(kind, error, trace)

    def send_error(self, status_code: int = 500, **names: object) -> None:
        """As upstream; our errors are refusals, with their status."""
        info = names.get("exc_info")
        if isinstance(info, tuple) and isinstance(info[1], ClassroomError):
            status_code = getattr(info[1], "status", 400)
        super().send_error(status_code, **names)

    def write_error(self, status_code: int, **names: object) -> None:
        """As upstream, with the sentence of an error of ours."""
        info = names.get("exc_info")
        if isinstance(info, tuple) and isinstance(info[1], ClassroomError):
            self.set_header("Content-Type", "application/json")
            self.finish({"status": status_code, "message": str(info[1]), **getattr(info[1], "details", {})})
            return
        super().write_error(status_code, **names)

    def send_json(self, data: dict[str, object]) -> None:
        """Send this; nobody keeps it, for it may hold passwords."""
        self.set_header("Cache-Control", "no-store")
        self.finish(data)


def json_time(value: datetime | None) -> str | None:
    """A time of the hub's tables (UTC, without a zone) for JSON."""
    return None if value is None else value.replace(tzinfo=UTC).isoformat(timespec="seconds")
