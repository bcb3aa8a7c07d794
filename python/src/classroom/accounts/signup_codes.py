"""Sign-up codes: with one, a student signs up without approval. Each code works once, until it expires or is revoked.

As in `classroom.accounts.service`, each function runs without awaiting and commits.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError
from classroom.db.models import SignUpCode, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from sqlalchemy.orm import Session

MAX_OPEN_CODES = 10_000
MAX_CODE_CHARACTERS = 64
"""Of the form field."""


class CodeState(Enum):
    """State of a sign-up code."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


_REFUSALS = {
    CodeState.USED: "This sign-up code has been used already. Ask your instructor for another one.",
    CodeState.EXPIRED: "This sign-up code has expired. Ask your instructor for a new one.",
    CodeState.REVOKED: "This sign-up code is no longer valid. Ask your instructor for another one.",
}


def create_codes(db: Session, count: int, lasts: timedelta, *, by: str, group: str = "") -> tuple[str, ...]:
    """Create codes and return them; the database stores only their hashes.

    Args:
        db: the hub's session.
        count: number of codes.
        lasts: until they expire.
        by: who creates them.
        group: that the students join; empty for none.

    Raises:
        AccountError: too many codes are open already.
    """
    moment = utc_now()
    if _open_count(db) + count > MAX_OPEN_CODES:
        raise AccountError(f"More than {MAX_OPEN_CODES} codes would be open. Revoke some first.", 409)
    codes = tuple(passwords.generate_one_time_password() for _ in range(count))
    db.add_all(
        SignUpCode(
            mark=passwords.code_mark(code), hint=code[:4], group=group, made=moment, made_by=by, expires=moment + lasts
        )
        for code in codes
    )
    db.commit()
    return codes


def list_codes(db: Session) -> list[SignUpCode]:
    """Return all codes, oldest first."""
    return list(db.scalars(select(SignUpCode).order_by(SignUpCode.id)))


def code_state(code: SignUpCode) -> CodeState:
    """Return the state of a code now."""
    if code.used_at is not None:
        return CodeState.USED
    if code.revoked_at is not None:
        return CodeState.REVOKED
    return CodeState.OPEN if code.expires > utc_now() else CodeState.EXPIRED


def any_open_code(db: Session) -> bool:
    """Return whether a code exists that works."""
    return _open_count(db) > 0


def find_open_code(db: Session, typed: str) -> SignUpCode:
    """Return the open code that a person typed.

    Raises:
        AccountError: it does not work; status 404 where no such code ever existed, so that guesses can be counted.
    """
    code = db.scalar(select(SignUpCode).where(SignUpCode.mark == passwords.code_mark(typed)))
    if code is None:
        raise AccountError(
            "This sign-up code is incorrect. Type it again, or leave it empty and wait for approval.", 404
        )
    if refusal := _REFUSALS.get(code_state(code)):
        raise AccountError(refusal, 403)
    return code


def revoke_codes(db: Session, ids: Iterable[int] | None) -> int:
    """Revoke open codes, or all open codes for None; return their number."""
    selected = None if ids is None else set(ids)
    revoked = [
        code
        for code in list_codes(db)
        if code_state(code) is CodeState.OPEN and (selected is None or code.id in selected)
    ]
    for code in revoked:
        code.revoked_at = utc_now()
    db.commit()
    return len(revoked)


def delete_spent_codes(db: Session) -> int:
    """Delete codes that no longer work; return their number."""
    spent = [code.id for code in list_codes(db) if code_state(code) is not CodeState.OPEN]
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
