"""What can be done with accounts: plain functions that the pages, the API and the hub's start call.

Each takes the hub's database session, does its work without waiting in between, and commits: two requests cannot get
between one another. Passwords come here as hashes only.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from jupyterhub import orm, roles
from jupyterhub.metrics import TOTAL_USERS
from jupyterhub.utils import new_token
from nativeauthenticator.orm import UserInfo
from sqlalchemy import delete, event, func, select
from sqlalchemy.exc import IntegrityError
from tornado import web

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.homes import archive_home
from classroom.db.models import Account, FailedLogin, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.db.models import SignUpCode

COMMAND_LINE = "the command line"
"""Who did it, where the operator's command did."""


class AccountState(Enum):
    """Where an account stands."""

    WAITING = "waiting"
    """Signed up; an instructor has not decided yet."""
    APPROVED = "approved"
    REVOKED = "revoked"
    """Was approved and may not sign in for now. Its files are kept."""


@dataclass(frozen=True)
class AccountSummary:
    """One account, as a list shows it."""

    name: str
    full_name: str
    created: datetime
    state: AccountState
    approved_by: str | None
    approved_at: datetime | None
    must_change: bool
    has_password: bool
    is_admin: bool


@dataclass(frozen=True)
class BatchResult:
    """The outcome of an action on several names."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    """It was so already, or the action is not for an account in that state."""
    unknown: tuple[str, ...]


def find_account(db: Session, name: str) -> tuple[UserInfo, Account] | None:
    """Stock's row and ours of an account."""
    row = db.execute(
        select(UserInfo, Account)
        .join(Account, Account.name == UserInfo.username)
        .where(UserInfo.username == name)
        # Stock has no unique constraint: of two rows of one name the first counts, as there.
        .order_by(UserInfo.id)
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1])


def state_of(info: UserInfo, account: Account) -> AccountState:
    """Where an account stands. `users_info.is_authorized` decides."""
    if info.is_authorized:
        return AccountState.APPROVED
    return AccountState.WAITING if account.revoked_at is None else AccountState.REVOKED


def list_accounts(db: Session) -> list[AccountSummary]:
    """All accounts, oldest first."""
    admins = set(db.scalars(select(orm.User.name).where(orm.User.admin)))
    rows = db.execute(
        select(UserInfo, Account).join(Account, Account.name == UserInfo.username).order_by(Account.created, Account.id)
    )
    return [
        AccountSummary(
            name=account.name,
            full_name=account.full_name,
            created=account.created,
            state=state_of(info, account),
            approved_by=account.approved_by,
            approved_at=account.approved_at,
            must_change=account.must_change,
            has_password=not passwords.is_no_password(info.password),
            is_admin=account.name in admins,
        )
        for info, account in rows
    ]


def waiting_count(db: Session) -> int:
    """How many wait for approval."""
    query = (
        select(func.count())
        .select_from(Account)
        .join(UserInfo, Account.name == UserInfo.username)
        .where(UserInfo.is_authorized.is_not(True), Account.revoked_at.is_(None))
    )
    return db.scalar(query) or 0


def create_account(  # noqa: PLR0913
    db: Session,
    name: str,
    hashed: bytes,
    *,
    full_name: str = "",
    approved_by: str | None = None,
    must_change: bool = False,
    code: SignUpCode | None = None,
) -> None:
    """Make an account. With `approved_by` it is approved, and known to the hub, at once.

    A sign-up code is used up with it, and makes a member of the code's group.

    Raises:
        NameTakenError: there is one of that name.
    """
    approved = approved_by is not None
    if db.scalar(select(UserInfo.id).where(UserInfo.username == name)) is not None:
        raise NameTakenError(name)
    if (not approved or code is not None) and orm.User.find(db, name) is not None:
        # The hub knows somebody of that name, who may have files.
        raise NameTakenError(name)
    try:
        with transaction(db):
            db.add(
                Account(
                    name=name,
                    full_name=full_name,
                    must_change=must_change,
                    approved_by=approved_by,
                    approved_at=utc_now() if approved else None,
                )
            )
            db.add(UserInfo(username=name, password=hashed, is_authorized=approved))
            if approved:
                _make_hub_user(db, name)
            if code is not None:
                code.used_by, code.used_at = name, utc_now()
                _join_group(db, name, code.group)
    except IntegrityError as error:
        raise NameTakenError(name) from error


def approve_accounts(db: Session, names: Iterable[str], by: str) -> BatchResult:
    """Let these accounts sign in, and make them known to the hub. Approving twice is approving once."""

    def one(info: UserInfo, account: Account) -> bool:
        if info.is_authorized:
            return False
        info.is_authorized = True
        account.approved_by, account.approved_at, account.revoked_at = by, utc_now(), None
        _make_hub_user(db, account.name)
        return True

    return _each(db, names, one)


def reject_signups(db: Session, names: Iterable[str]) -> BatchResult:
    """Remove requests that wait. An account that was ever approved is not touched: it may have files."""

    def one(info: UserInfo, account: Account) -> bool:
        if state_of(info, account) is not AccountState.WAITING:
            return False
        db.delete(info)
        db.delete(account)
        return True

    return _each(db, names, one)


def revoke_accounts(db: Session, names: Iterable[str], admins: Collection[str]) -> BatchResult:
    """Keep these accounts from signing in, and end their sessions and tokens. Files stay; `approve` gives it back.

    Instructors (`admins`, from the settings) are not touched: take the name out of the settings first.
    """

    def one(info: UserInfo, account: Account) -> bool:
        if not info.is_authorized or account.name in admins:
            return False
        info.is_authorized = False
        account.revoked_at = utc_now()
        _end_sessions(db, account.name, tokens_too=True)
        return True

    return _each(db, names, one)


def set_password(db: Session, name: str, hashed: bytes, *, must_change: bool, keep_session: str | None = None) -> None:
    """Give an account a new password and end its other sessions.

    Args:
        db: the hub's session.
        name: of the account.
        hashed: the new hash.
        must_change: it is a one-time password.
        keep_session: id of the session that asks, if it is the account's own.

    Raises:
        AccountError: there is no such account.
    """
    found = find_account(db, name)
    if found is None:
        raise account_not_found(name)
    info, account = found
    with transaction(db):
        info.password = hashed
        account.must_change = must_change
        db.execute(delete(FailedLogin).where(FailedLogin.name == name))
        _end_sessions(db, name, keep_session=keep_session)


def remove_account(db: Session, name: str) -> None:
    """Remove an account and set its home aside. Nothing happens where there is none."""
    archive_home(db, name)
    with transaction(db):
        for row in db.scalars(select(UserInfo).where(UserInfo.username == name)):
            db.delete(row)
        db.execute(delete(Account).where(Account.name == name))
        db.execute(delete(FailedLogin).where(FailedLogin.name == name))


def adopt_stock_accounts(db: Session) -> None:
    """Make rows of ours for accounts that stock NativeAuthenticator made, and drop those whose account is gone.

    Called at the hub's start: the site may have run stock before, or again for a while.
    """
    with transaction(db):
        # Reversed: of two rows of one name the first counts.
        rows = db.execute(select(UserInfo.username, UserInfo.is_authorized).order_by(UserInfo.id.desc()))
        authorized = {name: bool(yes) for name, yes in rows}
        known = set(db.scalars(select(Account.name)))
        hub_users = set(db.scalars(select(orm.User.name)))
        for name in known - authorized.keys():
            db.execute(delete(Account).where(Account.name == name))
        for name in sorted(authorized.keys() - known):
            # Who is not authorized and yet a user of the hub was authorized once, and may have files.
            closed = not authorized[name] and name in hub_users
            db.add(Account(name=name, approved_at=None, revoked_at=utc_now() if closed else None))


def refuse_renames() -> None:
    """Have JupyterHub's API refuse to rename a user: password and home would stay with the old name."""
    if not event.contains(orm.User.name, "set", _refuse_rename):
        event.listen(orm.User.name, "set", _refuse_rename)


def _refuse_rename(_user: orm.User, name: str, before: object, _event: object) -> None:
    if isinstance(before, str) and before != name:
        raise web.HTTPError(400, "An account cannot be renamed. Make a new one, and copy the files.")


def account_not_found(name: str) -> AccountError:
    """There is no account of that name."""
    shown = name if len(name) <= 32 else f"{name[:32]}…"
    return AccountError(f"There is no account named {shown}. It may have been removed meanwhile.", 404)


def _each(db: Session, names: Iterable[str], one: Callable[[UserInfo, Account], bool]) -> BatchResult:
    changed, unchanged, unknown = [], [], []
    with transaction(db):
        for name in dict.fromkeys(names):
            found = find_account(db, name)
            if found is None:
                unknown.append(name)
            elif one(*found):
                changed.append(name)
            else:
                unchanged.append(name)
    return BatchResult(tuple(changed), tuple(unchanged), tuple(unknown))


def _make_hub_user(db: Session, name: str) -> None:
    # As BaseHandler.user_from_username does, so that the admin page lists an approved account before its first login.
    if orm.User.find(db, name) is None:
        user = orm.User(name=name)
        db.add(user)
        db.flush()
        roles.assign_default_roles(db, entity=user)
        TOTAL_USERS.inc()


def _join_group(db: Session, name: str, group_name: str) -> None:
    if not group_name:
        return
    group = orm.Group.find(db, group_name)
    if group is None:
        group = orm.Group(name=group_name)
        db.add(group)
    group.users.append(orm.User.find(db, name))


def _end_sessions(db: Session, name: str, *, keep_session: str | None = None, tokens_too: bool = False) -> None:
    user = orm.User.find(db, name)
    if user is None:
        return
    user.cookie_id = new_token()
    for token in list(user.api_tokens):
        # A token with a session is a browser's, at the student's server; others are the server's or were made by hand.
        if tokens_too or (token.session_id and token.session_id != keep_session):
            db.delete(token)


@contextlib.contextmanager
def transaction(db: Session) -> Iterator[None]:
    """All that is done inside, or nothing."""
    try:
        yield
        db.commit()
    except BaseException:
        db.rollback()
        raise
