"""Account operations: plain functions that the pages, the API and the start of the hub call.

Each function takes the hub's database session, runs without awaiting, and commits, so two requests cannot interleave.
Passwords arrive here as hashes only.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from jupyterhub import orm
from jupyterhub.metrics import TOTAL_USERS
from jupyterhub.utils import new_token
from nativeauthenticator.orm import UserInfo
from sqlalchemy import delete, event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import object_session
from tornado import web

from classroom.accounts import passwords, two_factor
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.homes import archive_home
from classroom.db.models import Account, FailedLogin, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from classroom.db.models import SignUpCode

CANNOT_RENAME = "An account cannot be renamed. Create a new one, and copy the files."
COMMAND_LINE = "the command line"
"""Name of the operator, who uses the `classroom` command, in `approved_by` and `made_by`."""


class AccountState(Enum):
    """State of an account."""

    WAITING = "waiting"
    """The student signed up, and no instructor has decided yet."""
    APPROVED = "approved"
    REVOKED = "revoked"
    """The account was approved once, and cannot log in for now. Its files are kept."""


@dataclass(frozen=True)
class AccountSummary:
    """One account in a list."""

    name: str
    full_name: str
    created: datetime
    state: AccountState
    approved_by: str | None
    approved_at: datetime | None
    must_change: bool
    has_password: bool
    is_admin: bool
    has_two_factor: bool
    origin: str
    """Address or IPv6 network of a sign-up that waits."""


@dataclass(frozen=True)
class BatchResult:
    """Result of an action on several accounts."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    """The account was in that state already, or the action does not apply to its state."""
    unknown: tuple[str, ...]


class AccountRecord(NamedTuple):
    """The two rows of an account: stock's and ours."""

    info: UserInfo
    account: Account

    @property
    def state(self) -> AccountState:
        """Return the state, which `users_info.is_authorized` decides."""
        if self.info.is_authorized:
            return AccountState.APPROVED
        return AccountState.WAITING if self.account.revoked_at is None else AccountState.REVOKED


def find_account(db: Session, name: str) -> AccountRecord | None:
    """Return the account of this name."""
    row = db.execute(
        select(UserInfo, Account)
        .join(Account, Account.name == UserInfo.username)
        .where(UserInfo.username == name)
        # Stock has no unique constraint and uses the first of two rows of one name.
        .order_by(UserInfo.id)
        .limit(1)
    ).first()
    return None if row is None else AccountRecord(*row)


def accounts_by_name(db: Session) -> dict[str, AccountRecord]:
    """Return all accounts."""
    rows = db.execute(
        # In reverse: the first of two rows of one name wins.
        select(UserInfo, Account).join(Account, Account.name == UserInfo.username).order_by(UserInfo.id.desc())
    )
    return {account.name: AccountRecord(info, account) for info, account in rows}


def list_accounts(db: Session) -> list[AccountSummary]:
    """Return all accounts, oldest first."""
    admins = set(db.scalars(select(orm.User.name).where(orm.User.admin)))
    with_two_factor = two_factor.names_with(db)
    rows = db.execute(
        select(UserInfo, Account).join(Account, Account.name == UserInfo.username).order_by(Account.created, Account.id)
    )
    return [
        AccountSummary(
            name=account.name,
            full_name=account.full_name,
            created=account.created,
            state=AccountRecord(info, account).state,
            approved_by=account.approved_by,
            approved_at=account.approved_at,
            must_change=account.must_change,
            has_password=not passwords.is_no_password(info.password),
            is_admin=account.name in admins,
            has_two_factor=account.name in with_two_factor,
            origin=account.origin,
        )
        for info, account in rows
    ]


def waiting_count(db: Session) -> int:
    """Return the number of accounts that wait for approval."""
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
    origin: str = "",
) -> None:
    """Create an account. With `approved_by` it is approved and becomes a user of the hub.

    A sign-up code becomes used, and the account joins the code's group. `origin` is where it comes from.

    Raises:
        NameTakenError: an account or a user of that name exists.
    """
    approved = approved_by is not None
    if db.scalar(select(UserInfo.id).where(UserInfo.username == name)) is not None:
        raise NameTakenError(name)
    if (not approved or code is not None) and orm.User.find(db, name) is not None:
        # A user of the hub may have files.
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
                    origin="" if approved else origin,
                )
            )
            db.add(UserInfo(username=name, password=hashed, is_authorized=approved))
            if approved:
                _ensure_hub_user(db, name)
            if code is not None:
                code.used_by, code.used_at = name, utc_now()
                _join_group(db, name, code.group)
    except IntegrityError as error:
        raise NameTakenError(name) from error


def approve_accounts(db: Session, names: Iterable[str], by: str) -> BatchResult:
    """Approve accounts, and make them users of the hub."""

    def approve(info: UserInfo, account: Account) -> bool:
        if info.is_authorized:
            return False
        info.is_authorized = True
        account.approved_by, account.approved_at, account.revoked_at = by, utc_now(), None
        account.origin = ""  # personal data that nobody needs any more
        _ensure_hub_user(db, account.name)
        return True

    return _change_each(db, names, approve)


def reject_signups(db: Session, names: Iterable[str]) -> BatchResult:
    """Remove sign-ups that wait. An account that was ever approved stays, since it may have files."""

    def reject(info: UserInfo, account: Account) -> bool:
        if AccountRecord(info, account).state is not AccountState.WAITING:
            return False
        db.delete(info)
        db.delete(account)
        return True

    return _change_each(db, names, reject)


def revoke_accounts(db: Session, names: Iterable[str], admins: Collection[str]) -> BatchResult:
    """Close accounts, and end their sessions and tokens. Files stay, and `approve_accounts` opens an account again.

    Instructors (`admins`, from the settings) stay open: remove the name from the settings first.
    """

    def revoke(info: UserInfo, account: Account) -> bool:
        if not info.is_authorized or account.name in admins:
            return False
        info.is_authorized = False
        account.revoked_at = utc_now()
        _end_sessions(db, account.name, keep_servers=False)
        return True

    return _change_each(db, names, revoke)


def set_password(db: Session, name: str, hashed: bytes, *, must_change: bool, keep_session: str | None = None) -> None:
    """Set the password of an account, and end its other sessions and its tokens except for its servers'.

    Args:
        db: the hub's session.
        name: of the account.
        hashed: the new hash.
        must_change: it is a one-time password.
        keep_session: id of the account's own session that makes the request.

    Raises:
        AccountError: the account does not exist.
    """
    record = find_account(db, name)
    if record is None:
        raise account_not_found(name)
    with transaction(db):
        record.info.password = hashed
        record.account.must_change = must_change
        db.execute(delete(FailedLogin).where(FailedLogin.name == name))
        _end_sessions(db, name, keep_session=keep_session)


def end_cookies(db: Session, name: str) -> None:
    """End the hub's cookies of a user in all browsers. Tokens stay, and so do sessions at servers."""
    user = orm.User.find(db, name)
    if user is not None:
        with transaction(db):
            user.cookie_id = new_token()


def remove_account(db: Session, name: str) -> None:
    """Remove an account, if it exists, and archive its home."""
    archive_home(db, name)
    two_factor.turn_off(db, name)
    with transaction(db):
        for row in db.scalars(select(UserInfo).where(UserInfo.username == name)):
            db.delete(row)
        db.execute(delete(Account).where(Account.name == name))
        db.execute(delete(FailedLogin).where(FailedLogin.name == name))


def adopt_stock_accounts(db: Session) -> None:
    """Add our rows for accounts of stock NativeAuthenticator, and delete our rows without an account.

    The hub calls this when it starts: the site may have run stock before, or again for a while.
    """
    with transaction(db):
        # In reverse: the first of two rows of one name wins.
        rows = db.execute(select(UserInfo.username, UserInfo.is_authorized).order_by(UserInfo.id.desc()))
        authorized = {name: bool(yes) for name, yes in rows}
        recorded = set(db.scalars(select(Account.name)))
        hub_users = set(db.scalars(select(orm.User.name)))
        for name in recorded - authorized.keys():
            db.execute(delete(Account).where(Account.name == name))
        for name in two_factor.names_with(db) - authorized.keys():
            two_factor.turn_off(db, name)
        for name in sorted(authorized.keys() - recorded):
            # A user of the hub who is not authorized was authorized once, and may have files.
            closed = not authorized[name] and name in hub_users
            db.add(Account(name=name, approved_at=None, revoked_at=utc_now() if closed else None))


def refuse_renames() -> None:
    """Make JupyterHub's API refuse to rename a user: password and home would stay with the old name."""
    if not event.contains(orm.User.name, "set", _refuse_rename):
        event.listen(orm.User.name, "set", _refuse_rename)


def _refuse_rename(_user: orm.User, name: str, before: object, _event: object) -> None:
    if isinstance(before, str) and before != name:
        raise web.HTTPError(400, CANNOT_RENAME)


def account_not_found(name: str) -> AccountError:
    """Return the error for a name without an account."""
    short_name = name if len(name) <= 32 else f"{name[:32]}…"
    return AccountError(f"There is no account named {short_name}. Someone may have removed it.", 404)


def _change_each(db: Session, names: Iterable[str], change: Callable[[UserInfo, Account], bool]) -> BatchResult:
    changed, unchanged, unknown = [], [], []
    with transaction(db):
        for name in dict.fromkeys(names):
            record = find_account(db, name)
            if record is None:
                unknown.append(name)
            elif change(*record):
                changed.append(name)
            else:
                unchanged.append(name)
    return BatchResult(tuple(changed), tuple(unchanged), tuple(unknown))


def add_hub_users(db: Session, names: Iterable[str]) -> dict[str, orm.User]:
    """Add users of the hub, as JupyterHub does at a first login; return them. The caller counts and commits them."""
    role = orm.Role.find(db, "user")
    users = {name: orm.User(name=name, roles=[role]) for name in names}
    db.add_all(users.values())
    return users


def _ensure_hub_user(db: Session, name: str) -> None:
    # The admin page then lists an approved account before its first login.
    if orm.User.find(db, name) is None:
        add_hub_users(db, [name])
        TOTAL_USERS.inc()


def _join_group(db: Session, name: str, group_name: str) -> None:
    if not group_name:
        return
    group = orm.Group.find(db, group_name)
    if group is None:
        group = orm.Group(name=group_name)
        db.add(group)
    group.users.append(orm.User.find(db, name))


def _end_sessions(db: Session, name: str, *, keep_session: str | None = None, keep_servers: bool = True) -> None:
    """Delete the sessions and tokens of a user, except for one session and the tokens of running servers."""
    user = orm.User.find(db, name)
    if user is None:
        return
    user.cookie_id = new_token()
    kept = _server_tokens(user) if keep_servers else set()
    for token in list(user.api_tokens):
        # A token with a session belongs to a browser at a student's server.
        is_own_browser = keep_session is not None and token.session_id == keep_session
        if not is_own_browser and token not in kept:
            db.delete(token)


def _server_tokens(user: orm.User) -> set[orm.APIToken]:
    """Return the tokens by which the user's servers call the hub. Notes of tokens prove nothing: users write them."""
    db, tokens = object_session(user), set()
    for spawner in user.orm_spawners.values():
        if secret := (spawner.state or {}).get("api_token"):
            tokens.add(orm.APIToken.find(db, secret))
        elif spawner.server is not None:
            # While a server starts, the hub has not stored its state: the token is the newest one for it.
            own = [token for token in user.api_tokens if (token.note or "").startswith("Server at ")]
            tokens.add(max(own, key=lambda token: token.id, default=None))
    return tokens - {None}


@contextlib.contextmanager
def transaction(db: Session) -> Iterator[None]:
    """Commit all changes inside, or none."""
    try:
        yield
        db.commit()
    except BaseException:
        db.rollback()
        raise


@contextlib.contextmanager
def import_transaction(db: Session) -> Iterator[None]:
    """Commit all accounts of an import, or none.

    Raises:
        AccountError: someone else created one of the accounts meanwhile.
    """
    try:
        with transaction(db):
            yield
    except IntegrityError as error:
        raise AccountError(
            "Someone else created one of these accounts meanwhile. Run the import again.", 409
        ) from error
