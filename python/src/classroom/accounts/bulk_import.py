"""Bulk import of accounts from a class list: either all rows get an account, or none does.

`plan_import` inspects the list and `apply_import` writes it; the caller hashes the passwords in between. A second
import of the same list changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from jupyterhub import orm
from jupyterhub.metrics import TOTAL_USERS
from nativeauthenticator.orm import UserInfo
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from classroom.accounts import passwords, service
from classroom.accounts.errors import AccountError
from classroom.accounts.names import new_username
from classroom.accounts.service import AccountRecord, AccountState
from classroom.db.models import Account, utc_now
from classroom.typed_text import describe_character

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

MAX_FULL_NAME_CHARACTERS = 100
MAX_GROUP_CHARACTERS = 64


class ImportAction(Enum):
    """What the import does with a row."""

    ADD = "add"
    """Create an account with a one-time password."""
    GIVE_PASSWORD = "give-password"  # noqa: S105 - a word
    """Set a one-time password: the account, from the admin page, has no password yet."""
    UPDATE = "update"
    """Update the full name or the group of the account."""
    NOTHING = "nothing"
    """The account matches the row."""
    WAITS = "waits"
    """Do nothing: a sign-up under this name is waiting, and an instructor must check who that is."""
    CLOSED = "closed"
    """Do nothing: the account is closed and stays closed."""


NEEDS_PASSWORD = frozenset({ImportAction.ADD, ImportAction.GIVE_PASSWORD})
_WRITES = NEEDS_PASSWORD | {ImportAction.UPDATE}


@dataclass(frozen=True)
class ImportRow:
    """One row of the list."""

    name: str
    full_name: str = ""
    group: str = ""


@dataclass(frozen=True)
class PlannedRow(ImportRow):
    """A row with the username of the account, and what the import does."""

    action: ImportAction = field(kw_only=True)


class BulkImportError(AccountError):
    """Problems of rows, by their index in the list (from 0). Nothing was changed."""

    def __init__(self, problems: Mapping[int, str]) -> None:
        first = next(iter(problems))
        super().__init__(f"Line {first + 1}: {problems[first]}")
        self.problems = problems
        self.details = {"mistakes": [{"line": index, "message": text} for index, text in sorted(problems.items())]}


def plan_import(db: Session, rows: Sequence[ImportRow], admins: Collection[str]) -> tuple[PlannedRow, ...]:
    """Return what an import would do.

    Raises:
        BulkImportError: a name or a group is not allowed, or a name is listed twice.
    """
    accounts, users = service.accounts_by_name(db), _users_by_name(db)
    problems: dict[int, str] = {}
    first_index: dict[str, int] = {}
    planned = []
    for index, row in enumerate(rows):
        try:
            # An existing account keeps its name, whatever the rule says now.
            name = row.name.strip() if row.name.strip() in accounts else new_username(row.name, admins)
            _check_text(row)
        except AccountError as error:
            problems[index] = str(error)
            continue
        if name in first_index:
            problems[index] = f"{name} is listed twice, first on line {first_index[name] + 1}."
            continue
        first_index[name] = index
        action = _action(row, accounts.get(name), users.get(name))
        planned.append(PlannedRow(name, row.full_name, row.group, action=action))
    if problems:
        raise BulkImportError(problems)
    return tuple(planned)


def apply_import(
    db: Session, planned: Sequence[PlannedRow], hashes: Mapping[str, bytes], by: str
) -> tuple[PlannedRow, ...]:
    """Import the rows in one transaction.

    Args:
        db: the hub's session.
        planned: from `plan_import`.
        hashes: of one-time passwords, for each name with an action that needs one.
        by: who approves.

    Returns:
        the rows with what was done. An account that someone else created since `plan_import` keeps its password.

    Raises:
        AccountError: an account was removed since `plan_import`; nothing was changed.
    """
    with service.import_transaction(db):
        accounts, users = service.accounts_by_name(db), _users_by_name(db)
        rows = [replace(row, action=_action(row, accounts.get(row.name), users.get(row.name))) for row in planned]
        for row in rows:
            if row.action in NEEDS_PASSWORD and row.name not in hashes:
                raise AccountError(f"The account {row.name} was removed meanwhile. Run the import again.", 409)
        new_names = [row.name for row in rows if row.action is ImportAction.ADD and row.name not in users]
        users |= service.add_hub_users(db, new_names)
        for row in rows:
            if row.action in _WRITES:
                _write_account(db, row, accounts.get(row.name), hashes.get(row.name), by)
        _join_groups(db, [row for row in rows if row.group and row.action in _WRITES], users)
    TOTAL_USERS.inc(len(new_names))
    return tuple(rows)


def _write_account(db: Session, row: PlannedRow, record: AccountRecord | None, hashed: bytes | None, by: str) -> None:
    if record is None:
        account = Account(name=row.name, approved_by=by, approved_at=utc_now())
        info = UserInfo(username=row.name, is_authorized=True)
        db.add_all([account, info])
    else:
        info, account = record
    if row.action in NEEDS_PASSWORD:
        info.password, account.must_change = hashed, True
    if row.full_name:
        account.full_name = row.full_name


def _join_groups(db: Session, rows: Sequence[PlannedRow], users: Mapping[str, orm.User]) -> None:
    groups = {group.name: group for group in db.scalars(select(orm.Group))}
    for row in rows:
        if row.group not in groups:
            groups[row.group] = orm.Group(name=row.group)
            db.add(groups[row.group])
        user = users[row.name]
        if groups[row.group] not in user.groups:
            user.groups.append(groups[row.group])


def _users_by_name(db: Session) -> dict[str, orm.User]:
    users = db.scalars(select(orm.User).options(selectinload(orm.User.groups)))
    return {user.name: user for user in users}


def _action(row: ImportRow, record: AccountRecord | None, user: orm.User | None) -> ImportAction:
    if record is None:
        return ImportAction.ADD
    if record.state is not AccountState.APPROVED:
        return ImportAction.WAITS if record.state is AccountState.WAITING else ImportAction.CLOSED
    if passwords.is_no_password(record.info.password):
        return ImportAction.GIVE_PASSWORD
    has_group = not row.group or (user is not None and any(group.name == row.group for group in user.groups))
    has_full_name = row.full_name in {"", record.account.full_name}
    return ImportAction.NOTHING if has_group and has_full_name else ImportAction.UPDATE


def _check_text(row: ImportRow) -> None:
    for title, text, limit in (
        ("The full name", row.full_name, MAX_FULL_NAME_CHARACTERS),
        ("The group", row.group, MAX_GROUP_CHARACTERS),
    ):
        if len(text) > limit:
            raise AccountError(f"{title} is too long: {len(text)} characters. At most {limit} are allowed.")
        if not text.isprintable():
            wrong = next(index for index, letter in enumerate(text) if not letter.isprintable())
            raise AccountError(f"{title} cannot be shown: {describe_character(text, wrong)}. Write it without.")
    if "/" in row.group:
        raise AccountError("The group contains a slash. Write it without.")
