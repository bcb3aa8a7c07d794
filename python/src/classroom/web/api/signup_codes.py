"""Sign-up codes."""

from __future__ import annotations

from datetime import timedelta

from jupyterhub.scopes import needs_scope
from pydantic import Field

from classroom.accounts import bulk_import, signup_codes
from classroom.accounts.errors import AccountError
from classroom.web.api.base import Api, Body, Number, moment

_LONGEST = 366 * 86400


class _Wanted(Body):
    count: int = Field(ge=1, le=5000)
    lasts: int = Field(ge=60, le=_LONGEST)
    """Seconds until they expire."""
    group: str = Field(default="", max_length=bulk_import.GROUP_CHARACTERS)


class _Revoked(Body):
    ids: tuple[Number, ...] = Field(default=(), max_length=signup_codes.MAX_OPEN)
    all: bool = False


class Codes(Api):
    """/hub/api/classroom/codes."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """All of them, oldest first; the codes themselves cannot be read again."""
        self.answer({"codes": [_described(entry) for entry in signup_codes.entries(self.db)]})

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Make some; they are said in this answer only."""
        body = self.body(_Wanted)
        if not body.group.isprintable() or "/" in body.group:
            raise AccountError("The group holds a slash, or a character that cannot be shown.")
        made = signup_codes.make(self.db, body.count, timedelta(seconds=body.lasts), by=self.who, group=body.group)
        self.log.info("%s made %s sign-up codes", self.who, len(made))
        newest = signup_codes.entries(self.db)[-len(made) :]
        self.answer({"codes": [_described(entry) | {"code": code} for entry, code in zip(newest, made, strict=True)]})

    @needs_scope("admin:users")
    async def delete(self) -> None:
        """Forget those that can no longer be used."""
        self.answer({"forgotten": signup_codes.forget(self.db)})


class CodesRevoked(Api):
    """/hub/api/classroom/codes/revoke."""

    @needs_scope("admin:users")
    async def post(self) -> None:
        """Make open codes invalid."""
        body = self.body(_Revoked)
        if not body.ids and not body.all:
            raise AccountError("No code is named.")
        count = signup_codes.revoke(self.db, None if body.all else body.ids)
        self.log.info("%s revoked %s sign-up codes", self.who, count)
        self.answer({"revoked": count})


def _described(entry: signup_codes.CodeEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "hint": entry.hint,
        "state": entry.state.value,
        "group": entry.group,
        "made": moment(entry.made),
        "made_by": entry.made_by,
        "expires": moment(entry.expires),
        "used_by": entry.used_by,
        "used_at": moment(entry.used_at),
    }
