"""Accounts of a stock site become accounts here, with their passwords: looked at by `plan`, done by `carry_out`.

Doing it again changes nothing. What was changed here since then, a password above all, stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.metrics import TOTAL_USERS
from nativeauthenticator.orm import UserInfo
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from classroom.accounts import passwords, service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import MAX_USERNAME
from classroom.accounts.service import COMMAND_LINE, AccountState
from classroom.db.models import Account, utc_now

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

ADOPTED = "the original"
"""Who approved an account that was taken over."""

_HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class StockUser:
    """A person of the stock site; without a password only files are there."""

    name: str
    password: str | None = None
    """bcrypt's hash."""
    authorized: bool = False
    known: bool = False
    """Has signed in."""
    admin: bool = False
    email: str | None = None
    second_factor: str | None = None


class StockAction(Enum):
    """What a candidate comes to."""

    ADD = "add"
    """A new account with the old password."""
    GIVE_PASSWORD = "give-password"  # noqa: S105 - a word
    """The account has a one-time password that nobody used, or none: it gets the old password."""
    NOTHING = "nothing"
    """The account is there."""
    NO_ACCOUNT = "no-account"
    """There are files only, and no account of that name here: somebody must make one first."""
    REFUSE = "refuse"


@dataclass(frozen=True)
class PlannedStockUser:
    """A candidate as it will be done."""

    name: str
    action: StockAction
    why: str = ""
    """Why it is refused, and what to do."""


def plan_stock_import(
    db: Session, candidates: Sequence[StockUser], admins: Collection[str]
) -> tuple[PlannedStockUser, ...]:
    """What would be done. A name that cannot be taken over keeps no other from it."""
    known = _look(db)
    return tuple(_line(each, known.get(each.name), admins) for each in candidates)


def apply_stock_import(
    db: Session, candidates: Sequence[StockUser], admins: Collection[str]
) -> tuple[PlannedStockUser, ...]:
    """Do it, in one transaction; gives what was done.

    Raises:
        AccountError: somebody signed up under one of the names meanwhile; nothing was done.
    """
    try:
        with service.transaction(db):
            lines = plan_stock_import(db, candidates, admins)
            known = _look(db)
            users = {user.name: user for user in db.scalars(select(orm.User))}
            role = orm.Role.find(db, "user")
            made = 0
            for candidate, line in zip(candidates, lines, strict=True):
                if line.action is StockAction.ADD:
                    _add(db, candidate)
                    if (candidate.authorized or candidate.known) and candidate.name not in users:
                        db.add(orm.User(name=candidate.name, roles=[role]))
                        made += 1
                elif line.action is StockAction.GIVE_PASSWORD:
                    info, account = known[line.name]
                    info.password, account.must_change = _hash(candidate), False
    except IntegrityError as error:
        raise AccountError("An account was made by someone else meanwhile. Do it again.", 409) from error
    TOTAL_USERS.inc(made)
    return lines


def _look(db: Session) -> Mapping[str, tuple[UserInfo, Account]]:
    rows = db.execute(
        # Reversed: of two rows of one name the first counts.
        select(UserInfo, Account).join(Account, Account.name == UserInfo.username).order_by(UserInfo.id.desc())
    )
    return {account.name: (info, account) for info, account in rows}


def _line(candidate: StockUser, known: tuple[UserInfo, Account] | None, admins: Collection[str]) -> PlannedStockUser:
    name = candidate.name
    if why := _unusable(name):
        return PlannedStockUser(name, StockAction.REFUSE, why)
    if name in admins and candidate.password is not None and not candidate.admin:
        return PlannedStockUser(
            name,
            StockAction.REFUSE,
            "an instructor by the settings here, and none in the original: whoever has that account is not let in; "
            "take the name out of admins, or leave the account behind",
        )
    return _new(candidate) if known is None else _known(candidate, *known, is_admin=name in admins)


def _known(candidate: StockUser, info: UserInfo, account: Account, *, is_admin: bool) -> PlannedStockUser:
    name = candidate.name
    if candidate.password is not None and _is_unused(info, account) and _HASH.fullmatch(candidate.password):
        return PlannedStockUser(name, StockAction.GIVE_PASSWORD)
    is_same = info.password == _hash(candidate) or account.approved_by in {ADOPTED, COMMAND_LINE}
    if is_admin or is_same or _is_of_stock(info, account):
        return PlannedStockUser(name, StockAction.NOTHING)
    return PlannedStockUser(
        name,
        StockAction.REFUSE,
        "an account of this name was made here by somebody, and may be another person's: "
        f"classroom users remove {name} sets its files aside; then run this again",
    )


def _new(candidate: StockUser) -> PlannedStockUser:
    if candidate.password is None:
        return PlannedStockUser(candidate.name, StockAction.NO_ACCOUNT)
    if not _HASH.fullmatch(candidate.password):
        return PlannedStockUser(
            candidate.name,
            StockAction.REFUSE,
            f"its password is not of a form that can be checked: classroom users add {candidate.name}, then run this "
            "again",
        )
    return PlannedStockUser(candidate.name, StockAction.ADD)


def _unusable(name: str) -> str:
    """Why nobody could sign in under a name (`nativeauthenticator` and `jupyterhub.auth.Authenticator`)."""
    if not 0 < len(name) <= MAX_USERNAME or not name.isprintable() or set(name) & set(", /") or set(name) == {"."}:
        return "no account can have this name; rename the folder after its student, then run this again"
    if name != name.lower():
        return (
            "nobody could sign in under a name with capital letters; rename the folder to "
            f"{name.lower()}, then run this again"
        )
    return ""


def _is_unused(info: UserInfo, account: Account) -> bool:
    if passwords.is_no_password(info.password):
        return service.state_of(info, account) is AccountState.APPROVED
    return bool(account.must_change and account.approved_by == "the settings")


def _is_of_stock(info: UserInfo, account: Account) -> bool:
    """Came with the database itself (`service.adopt`): such an account has no one who approved it."""
    return account.approved_by is None and service.state_of(info, account) is not AccountState.WAITING


def _hash(candidate: StockUser) -> bytes:
    return (candidate.password or "").encode()


def _add(db: Session, candidate: StockUser) -> None:
    info = UserInfo(username=candidate.name, password=_hash(candidate), is_authorized=candidate.authorized)
    info.email = candidate.email
    if candidate.second_factor:
        info.has_2fa, info.otp_secret = True, candidate.second_factor
    db.add(info)
    # Who is not authorized and yet known was authorized once, and may have files.
    closed = candidate.known and not candidate.authorized
    db.add(
        Account(
            name=candidate.name,
            approved_by=ADOPTED if candidate.authorized or closed else None,
            approved_at=utc_now() if candidate.authorized else None,
            revoked_at=utc_now() if closed else None,
        )
    )
