"""Import of a stock site's accounts, with their passwords.

`plan_stock_import` inspects the accounts and `apply_stock_import` writes them. A second import changes nothing, and
keeps what was changed here since the first, above all passwords.
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

from classroom.accounts import passwords, service
from classroom.accounts.names import MAX_USERNAME
from classroom.accounts.service import COMMAND_LINE, AccountRecord, AccountState
from classroom.db.models import Account, utc_now

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

ADOPTED = "the original"
"""`approved_by` of an imported account."""

_HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class StockUser:
    """A user of the stock site. One without a password has files only."""

    name: str
    password: str | None = None
    """A bcrypt hash."""
    authorized: bool = False
    known: bool = False
    """The user has logged in."""
    admin: bool = False
    email: str | None = None
    second_factor: str | None = None


class StockAction(Enum):
    """What the import does with a user."""

    ADD = "add"
    """Create an account with the old password."""
    GIVE_PASSWORD = "give-password"  # noqa: S105 - a word
    """Set the old password: the account has none, or a one-time password that nobody has used."""
    NOTHING = "nothing"
    """The account exists."""
    NO_ACCOUNT = "no-account"
    """Do nothing: there are files only, and the operator must create an account of that name first."""
    REFUSE = "refuse"


@dataclass(frozen=True)
class PlannedStockUser:
    """What the import does with the user of this name."""

    name: str
    action: StockAction
    why: str = ""
    """Why it is refused, and what to do."""


def plan_stock_import(db: Session, users: Sequence[StockUser], admins: Collection[str]) -> tuple[PlannedStockUser, ...]:
    """Return what an import would do. A user who is refused does not stop the others."""
    accounts = service.accounts_by_name(db)
    return tuple(_plan(user, accounts.get(user.name), admins) for user in users)


def apply_stock_import(
    db: Session, users: Sequence[StockUser], admins: Collection[str]
) -> tuple[PlannedStockUser, ...]:
    """Import the users in one transaction; return what was done.

    Raises:
        AccountError: someone signed up under one of the names meanwhile; nothing was changed.
    """
    with service.import_transaction(db):
        planned = plan_stock_import(db, users, admins)
        accounts = service.accounts_by_name(db)
        added = [user for user, plan in zip(users, planned, strict=True) if plan.action is StockAction.ADD]
        hub_names = set(db.scalars(select(orm.User.name)))
        new_names = [user.name for user in added if (user.authorized or user.known) and user.name not in hub_names]
        service.add_hub_users(db, new_names)
        for user in added:
            _add_account(db, user)
        for user, plan in zip(users, planned, strict=True):
            if plan.action is StockAction.GIVE_PASSWORD:
                info, account = accounts[user.name]
                info.password, account.must_change = _hash(user), False
    TOTAL_USERS.inc(len(new_names))
    return planned


def _plan(user: StockUser, record: AccountRecord | None, admins: Collection[str]) -> PlannedStockUser:
    if why := _name_problem(user.name):
        return PlannedStockUser(user.name, StockAction.REFUSE, why)
    if user.name in admins and user.password is not None and not user.admin:
        return PlannedStockUser(
            user.name,
            StockAction.REFUSE,
            "an instructor in the settings here, but not in the original, so this account is not imported; "
            "remove the name from admins, or leave the account behind",
        )
    return _plan_new(user) if record is None else _plan_existing(user, record, is_admin=user.name in admins)


def _plan_existing(user: StockUser, record: AccountRecord, *, is_admin: bool) -> PlannedStockUser:
    name, (info, account) = user.name, record
    if user.password is not None and _has_unused_password(record) and _HASH.fullmatch(user.password):
        return PlannedStockUser(name, StockAction.GIVE_PASSWORD)
    is_same = info.password == _hash(user) or account.approved_by in {ADOPTED, COMMAND_LINE}
    if is_admin or is_same or _came_with_database(record):
        return PlannedStockUser(name, StockAction.NOTHING)
    return PlannedStockUser(
        name,
        StockAction.REFUSE,
        "someone created an account of this name here, and it may belong to another person: "
        f"classroom users remove {name} archives its files; then run this again",
    )


def _plan_new(user: StockUser) -> PlannedStockUser:
    if user.password is None:
        return PlannedStockUser(user.name, StockAction.NO_ACCOUNT)
    if not _HASH.fullmatch(user.password):
        return PlannedStockUser(
            user.name,
            StockAction.REFUSE,
            f"its password is not a bcrypt hash: classroom users add {user.name}, then run this again",
        )
    return PlannedStockUser(user.name, StockAction.ADD)


def _name_problem(name: str) -> str:
    """Return why nobody could log in under a name (`nativeauthenticator`, `jupyterhub.auth.Authenticator`)."""
    if not 0 < len(name) <= MAX_USERNAME or not name.isprintable() or set(name) & set(", /") or set(name) == {"."}:
        return "no account can have this name; rename the directory after its student, then run this again"
    if name != name.lower():
        return (
            "nobody can log in under a name with capital letters; rename the directory to "
            f"{name.lower()}, then run this again"
        )
    return ""


def _has_unused_password(record: AccountRecord) -> bool:
    if passwords.is_no_password(record.info.password):
        return record.state is AccountState.APPROVED
    return bool(record.account.must_change and record.account.approved_by == "the settings")


def _came_with_database(record: AccountRecord) -> bool:
    """Return whether `service.adopt_stock_accounts` found the account: nobody has approved such an account here."""
    return record.account.approved_by is None and record.state is not AccountState.WAITING


def _hash(user: StockUser) -> bytes:
    return (user.password or "").encode()


def _add_account(db: Session, user: StockUser) -> None:
    info = UserInfo(username=user.name, password=_hash(user), is_authorized=user.authorized, email=user.email)
    if user.second_factor:
        info.has_2fa, info.otp_secret = True, user.second_factor
    # A known user who is not authorized was authorized once, and may have files.
    closed = user.known and not user.authorized
    account = Account(
        name=user.name,
        approved_by=ADOPTED if user.authorized or closed else None,
        approved_at=utc_now() if user.authorized else None,
        revoked_at=utc_now() if closed else None,
    )
    db.add_all([info, account])
