"""Sign-up codes: who holds one signs up without waiting for approval. Each works once, until it expires or is revoked.

As in `classroom.accounts.service`, each function does its work without waiting in between and commits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError
from classroom.db.models import SignUpCode, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

MAX_OPEN_CODES = 10_000
"""Codes that nobody has used yet; more are refused."""
MAX_CODE_CHARACTERS = 64
"""Of what is typed as a code."""


class CodeState(Enum):
    """Where a code stands."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


_REFUSALS = {
    CodeState.USED: "This sign-up code has been used already. Ask your instructor for another one.",
    CodeState.EXPIRED: "This sign-up code has expired. Ask your instructor for a new one.",
    CodeState.REVOKED: "This sign-up code is no longer valid. Ask your instructor for another one.",
}


@dataclass(frozen=True)
class CodeEntry:
    """One code, as a list shows it; the code itself is nowhere."""

    id: int
    hint: str
    state: CodeState
    group: str
    made: datetime
    made_by: str
    expires: datetime
    used_by: str | None
    used_at: datetime | None


def create_codes(db: Session, count: int, lasts: timedelta, *, by: str, group: str = "") -> tuple[str, ...]:
    """Make codes.

    Args:
        db: the hub's session.
        count: how many.
        lasts: until they expire.
        by: who makes them.
        group: what their holders become members of.

    Returns:
        the codes, which cannot be read again.

    Raises:
        AccountError: too many are open already.
    """
    moment = utc_now()
    if _open_count(db) + count > MAX_OPEN_CODES:
        raise AccountError(f"More than {MAX_OPEN_CODES} codes would be open. Revoke some first.", 409)
    codes = tuple(passwords.generate_one_time_password() for _ in range(count))
    db.add_all(
        SignUpCode(mark=_mark(code), hint=code[:4], group=group, made=moment, made_by=by, expires=moment + lasts)
        for code in codes
    )
    db.commit()
    return codes


def list_codes(db: Session) -> list[CodeEntry]:
    """All codes, oldest first."""
    return [
        CodeEntry(
            id=row.id,
            hint=row.hint,
            state=state_of(row),
            group=row.group,
            made=row.made,
            made_by=row.made_by,
            expires=row.expires,
            used_by=row.used_by,
            used_at=row.used_at,
        )
        for row in db.scalars(select(SignUpCode).order_by(SignUpCode.id))
    ]


def state_of(code: SignUpCode) -> CodeState:
    """Where a code stands now."""
    if code.used_at is not None:
        return CodeState.USED
    if code.revoked_at is not None:
        return CodeState.REVOKED
    return CodeState.OPEN if code.expires > utc_now() else CodeState.EXPIRED


def any_open_code(db: Session) -> bool:
    """Whether anybody may hold a code that works."""
    return _open_count(db) > 0


def find_open_code(db: Session, typed: str) -> SignUpCode:
    """The open code that a person typed.

    Raises:
        AccountError: there is none; 404 where nobody ever had such a code, so that guesses can be counted.
    """
    code = db.scalar(select(SignUpCode).where(SignUpCode.mark == _mark(typed)))
    if code is None:
        raise AccountError("This sign-up code is not right. Type it again, or leave it out and wait for approval.", 404)
    if refusal := _REFUSALS.get(state_of(code)):
        raise AccountError(refusal, 403)
    return code


def revoke_codes(db: Session, ids: Iterable[int] | None) -> int:
    """Make codes that are open invalid; None: all of them.

    Returns:
        how many were open.
    """
    query = select(SignUpCode).where(SignUpCode.used_at.is_(None), SignUpCode.revoked_at.is_(None))
    wanted = None if ids is None else set(ids)
    found = [
        row for row in db.scalars(query) if state_of(row) is CodeState.OPEN and (wanted is None or row.id in wanted)
    ]
    for row in found:
        row.revoked_at = utc_now()
    db.commit()
    return len(found)


def delete_spent_codes(db: Session) -> int:
    """Remove codes that can no longer be used.

    Returns:
        how many there were.
    """
    spent = [row.id for row in db.scalars(select(SignUpCode)) if state_of(row) is not CodeState.OPEN]
    db.execute(delete(SignUpCode).where(SignUpCode.id.in_(spent)))
    db.commit()
    return len(spent)


def _open_count(db: Session) -> int:
    query = (
        select(func.count())
        .select_from(SignUpCode)
        .where(SignUpCode.used_at.is_(None), SignUpCode.revoked_at.is_(None), SignUpCode.expires > utc_now())
    )
    return db.scalar(query) or 0


def _mark(code: str) -> str:
    # As on paper or not: capital letters, spaces, dashes and the dashes of word processors make no difference.
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(letters.encode("utf-8", "replace")).hexdigest()
