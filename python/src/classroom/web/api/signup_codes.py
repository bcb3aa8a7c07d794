"""Sign-up codes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from pydantic import Field

from classroom.accounts import bulk_import, signup_codes
from classroom.accounts.errors import AccountError
from classroom.audit.events import Action, record
from classroom.typed_text import describe_character
from classroom.web.api.base import ApiHandler, RequestBody, RowId, json_time

if TYPE_CHECKING:
    from classroom.db.models import SignUpCode

_LONGEST = 366 * 86400


class _NewCodes(RequestBody):
    count: int = Field(ge=1, le=5000)
    lasts: int = Field(ge=60, le=_LONGEST)
    """Seconds until they expire."""
    group: str = Field(default="", max_length=bulk_import.MAX_GROUP_CHARACTERS)


class _CodeIds(RequestBody):
    ids: tuple[RowId, ...] = Field(default=(), max_length=signup_codes.MAX_OPEN_CODES)
    all: bool = False


class Codes(ApiHandler):
    """/hub/api/classroom/codes."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """Send all codes, oldest first, without the codes themselves."""
        self.send_json({"codes": [_code_json(code) for code in signup_codes.list_codes(self.db)]})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Create codes; only this answer contains them."""
        body = self.parse_body(_NewCodes)
        wrong = next(
            (index for index, letter in enumerate(body.group) if letter == "/" or not letter.isprintable()), None
        )
        if wrong is not None:
            raise AccountError(f"In the group, {describe_character(body.group, wrong)}. Write it without.")
        codes = signup_codes.create_codes(
            self.db, body.count, timedelta(seconds=body.lasts), by=self.actor, group=body.group
        )
        self.log.info("%s created %s sign-up codes", self.actor, len(codes))
        rows = signup_codes.list_codes(self.db)[-len(codes) :]
        record(Action.CODES_CREATED, detail=f"{len(codes)}, numbers {rows[0].id} to {rows[-1].id}")
        self.send_json({"codes": [_code_json(row) | {"code": code} for row, code in zip(rows, codes, strict=True)]})

    @needs_scope("admin:users")
    async def delete(self) -> None:
        """Delete codes that no longer work."""
        self.send_json({"forgotten": signup_codes.delete_spent_codes(self.db)})


class CodesRevoked(ApiHandler):
    """/hub/api/classroom/codes/revoke."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Revoke open codes."""
        body = self.parse_body(_CodeIds)
        if not body.ids and not body.all:
            raise AccountError("The request names no code.")
        count = signup_codes.revoke_codes(self.db, None if body.all else body.ids)
        self.log.info("%s revoked %s sign-up codes", self.actor, count)
        record(Action.CODES_REVOKED, detail=str(count))
        self.send_json({"revoked": count})


def _code_json(code: SignUpCode) -> dict[str, object]:
    return {
        "id": code.id,
        "hint": code.hint,
        "state": signup_codes.code_state(code).value,
        "group": code.group,
        "made": json_time(code.made),
        "made_by": code.made_by,
        "expires": json_time(code.expires),
        "used_by": code.used_by,
        "used_at": json_time(code.used_at),
    }
