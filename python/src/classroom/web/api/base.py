"""Base of the API's handlers: JSON requests and answers, and a message for each error."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, TypeVar

from jupyterhub.apihandlers.base import APIHandler
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tornado import web

from classroom.accounts.names import MAX_USERNAME
from classroom.accounts.service import COMMAND_LINE
from classroom.errors import ClassroomError
from classroom.validation import message

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from classroom.accounts.authenticator import ClassroomAuthenticator

MAX_NAMES_PER_REQUEST = 10_000

RowId = Annotated[int, Field(ge=1, le=2**31)]
"""Id of a table's row; databases raise on greater numbers."""


class RequestBody(BaseModel):
    """JSON of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NamesBody(RequestBody):
    """Names of accounts, or all."""

    names: tuple[Annotated[str, Field(max_length=MAX_USERNAME)], ...] = Field(
        default=(), max_length=MAX_NAMES_PER_REQUEST
    )
    all: bool = False


_BodyType = TypeVar("_BodyType", bound=RequestBody)


class ApiHandler(APIHandler):
    """Handler of an endpoint."""

    authenticator: ClassroomAuthenticator

    @property
    def actor(self) -> str:
        """Return who makes the request, as accounts record it."""
        name: str = self.current_user.name
        return COMMAND_LINE if self.current_user.kind == "service" and name == "cli" else name

    def parse_body(self, model: type[_BodyType]) -> _BodyType:
        """Return the request's body.

        Raises:
            HTTPError: the body is not valid; the message names the field.
        """
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the body"
            raise web.HTTPError(400, "%s: %s", field, message(first)) from error

    def log_exception(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log as upstream, except refusals, which are no errors of the hub."""
        if not isinstance(error, ClassroomError):
            super().log_exception(kind, error, trace)

    def send_error(self, status_code: int = 500, **names: object) -> None:
        """Send an error as upstream, or a refusal with its own status."""
        if refusal := _refusal(names):
            status_code = getattr(refusal, "status", 400)
        super().send_error(status_code, **names)

    def write_error(self, status_code: int, **names: object) -> None:
        """Write an error as upstream, or the message and details of a refusal."""
        if refusal := _refusal(names):
            self.set_header("Content-Type", "application/json")
            self.finish({"status": status_code, "message": str(refusal), **getattr(refusal, "details", {})})
            return
        super().write_error(status_code, **names)

    def send_json(self, data: dict[str, object]) -> None:
        """Send an answer that nobody caches, since it may contain passwords."""
        self.set_header("Cache-Control", "no-store")
        self.finish(data)


def json_time(value: datetime | None) -> str | None:
    """Return a time of the hub's tables (UTC, without a zone) for JSON."""
    return None if value is None else value.replace(tzinfo=UTC).isoformat(timespec="seconds")


def _refusal(names: dict[str, object]) -> ClassroomError | None:
    info = names.get("exc_info")
    return info[1] if isinstance(info, tuple) and isinstance(info[1], ClassroomError) else None
