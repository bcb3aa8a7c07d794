"""A list of people who are to have accounts: all of them get one, or nobody does.

`plan` looks, `carry_out` does; between the two the passwords are hashed. Doing the same list again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.metrics import TOTAL_USERS
from nativeauthenticator.orm import UserInfo
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from classroom.accounts import passwords, service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import new_username
from classroom.accounts.service import AccountState
from classroom.db.models import Account, utc_now

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

MAX_FULL_NAME_CHARACTERS = 100
MAX_GROUP_CHARACTERS = 64


@dataclass(frozen=True)
class ImportRow:
    """One line of the list."""

    name: str
    full_name: str = ""
    group: str = ""


class ImportAction(Enum):
    """What a line comes to."""

    ADD = "add"
    """A new account with a one-time password."""
    GIVE_PASSWORD = "give-password"  # noqa: S105 - a word
    """The account had no password yet: made on the admin page."""
    UPDATE = "update"
    """The account is there; the full name or the group is not as listed."""
    NOTHING = "nothing"
    """All is as listed."""
    WAITS = "waits"
    """Somebody signed up under this name and waits: an instructor looks who that is. Not touched."""
    CLOSED = "closed"
    """The account is closed, and stays so."""


NEEDS_PASSWORD = frozenset({ImportAction.ADD, ImportAction.GIVE_PASSWORD})


@dataclass(frozen=True)
class PlannedRow:
    """One line of the list as it will be done; `name` as the account has it."""

    name: str
    full_name: str
    group: str
    action: ImportAction


class BulkImportError(AccountError):
    """Lines that cannot be done, by their place in the list (from 0). Nothing was done."""

    def __init__(self, mistakes: Mapping[int, str]) -> None:
        first = next(iter(mistakes))
        super().__init__(f"Line {first + 1}: {mistakes[first]}")
        self.mistakes = mistakes
        self.details = {"mistakes": [{"line": place, "message": said} for place, said in sorted(mistakes.items())]}


@dataclass(frozen=True)
class _Known:
    info: UserInfo
    account: Account


def plan_import(db: Session, wishes: Sequence[ImportRow], admins: Collection[str]) -> tuple[PlannedRow, ...]:
    """What would be done.

    Raises:
        RosterError: a name or a group is not allowed, or a name is listed twice.
    """
    known, users = _look(db)
    mistakes: dict[int, str] = {}
    lines: dict[str, int] = {}
    planned = []
    for place, wish in enumerate(wishes):
        try:
            name = _name(wish.name, known.keys(), admins)
            _demand_text(wish)
        except AccountError as error:
            mistakes[place] = str(error)
            continue
        if name in lines:
            mistakes[place] = f"{name} is listed twice, first on line {lines[name] + 1}."
            continue
        lines[name] = place
        planned.append(PlannedRow(name, wish.full_name, wish.group, _deed(wish, known.get(name), users.get(name))))
    if mistakes:
        raise BulkImportError(mistakes)
    return tuple(planned)


def apply_import(
    db: Session, planned: Sequence[PlannedRow], hashes: Mapping[str, bytes], by: str
) -> tuple[PlannedRow, ...]:
    """Do it, in one transaction.

    Args:
        db: the hub's session.
        planned: from `plan`.
        hashes: of one-time passwords, for each name whose deed needs one.
        by: who approves.

    Returns:
        what was done. What others did since `plan` stays: whose account was made meanwhile gets no other password.

    Raises:
        AccountError: an account was removed since `plan`; nothing was done.
    """
    try:
        with service.transaction(db):
            known, users = _look(db)
            done = []
            for line in planned:
                wish = ImportRow(line.name, line.full_name, line.group)
                deed = _deed(wish, known.get(line.name), users.get(line.name))
                if deed in NEEDS_PASSWORD and line.name not in hashes:
                    raise AccountError(f"The account {line.name} was removed meanwhile. Do it again.", 409)
                done.append(PlannedRow(line.name, line.full_name, line.group, deed))
            _write(db, done, hashes, by)
    except IntegrityError as error:
        raise AccountError("An account of the list was made by someone else meanwhile. Do it again.", 409) from error
    TOTAL_USERS.inc(sum(line.action is ImportAction.ADD and line.name not in users for line in done))
    return tuple(done)


def _write(db: Session, done: Sequence[PlannedRow], hashes: Mapping[str, bytes], by: str) -> None:
    known, users = _look(db)
    moment = utc_now()
    role = orm.Role.find(db, "user")
    for line in done:
        if line.action is ImportAction.ADD:
            account = Account(name=line.name, full_name=line.full_name, must_change=True)
            db.add(UserInfo(username=line.name, password=hashes[line.name], is_authorized=True))
            db.add(account)
            if line.name not in users:
                # As JupyterHub does at a first login; one by one, each would commit what is not yet complete.
                users[line.name] = orm.User(name=line.name, roles=[role])
                db.add(users[line.name])
        elif line.action is ImportAction.GIVE_PASSWORD:
            account = known[line.name].account
            known[line.name].info.password = hashes[line.name]
            account.must_change = True
        elif line.action is ImportAction.UPDATE:
            account = known[line.name].account
        else:
            continue
        account.full_name = line.full_name or account.full_name
        if line.action is ImportAction.ADD:
            account.approved_by, account.approved_at = by, moment
    _join_groups(db, done, users)


def _join_groups(db: Session, done: Sequence[PlannedRow], users: Mapping[str, orm.User]) -> None:
    groups = {group.name: group for group in db.scalars(select(orm.Group))}
    for line in done:
        if not line.group or line.action in {ImportAction.NOTHING, ImportAction.WAITS, ImportAction.CLOSED}:
            continue
        if line.group not in groups:
            groups[line.group] = orm.Group(name=line.group)
            db.add(groups[line.group])
        user = users[line.name]
        if groups[line.group] not in user.groups:
            user.groups.append(groups[line.group])


def _look(db: Session) -> tuple[dict[str, _Known], dict[str, orm.User]]:
    rows = db.execute(
        # Reversed: of two rows of one name the first counts.
        select(UserInfo, Account).join(Account, Account.name == UserInfo.username).order_by(UserInfo.id.desc())
    )
    users = db.scalars(select(orm.User).options(selectinload(orm.User.groups)))
    return {account.name: _Known(info, account) for info, account in rows}, {user.name: user for user in users}


def _deed(wish: ImportRow, known: _Known | None, user: orm.User | None) -> ImportAction:
    if known is None:
        return ImportAction.ADD
    state = service.state_of(known.info, known.account)
    if state is not AccountState.APPROVED:
        return ImportAction.WAITS if state is AccountState.WAITING else ImportAction.CLOSED
    if passwords.is_no_password(known.info.password):
        return ImportAction.GIVE_PASSWORD
    is_member = not wish.group or (user is not None and any(group.name == wish.group for group in user.groups))
    is_called = wish.full_name in {"", known.account.full_name}
    return ImportAction.NOTHING if is_member and is_called else ImportAction.UPDATE


def _name(typed: str, known: Collection[str], admins: Collection[str]) -> str:
    # An account that is there already keeps its name, whatever the rule says now.
    name = typed.strip()
    return name if name in known else new_username(name, admins)


def _demand_text(wish: ImportRow) -> None:
    for title, text, limit in (
        ("The full name", wish.full_name, MAX_FULL_NAME_CHARACTERS),
        ("The group", wish.group, MAX_GROUP_CHARACTERS),
    ):
        if len(text) > limit:
            raise AccountError(f"{title} is too long: {len(text)} characters. At most {limit} are kept.")
        if not text.isprintable():
            raise AccountError(f"{title} holds a character that cannot be shown.")
    if "/" in wish.group:
        raise AccountError("The group holds a slash. Write it without.")
