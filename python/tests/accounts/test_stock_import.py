from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm
from nativeauthenticator.orm import UserInfo

from classroom.accounts import bulk_import, passwords, service, stock_import
from classroom.accounts.bulk_import import ImportRow
from classroom.accounts.service import COMMAND_LINE, AccountState
from classroom.accounts.stock_import import ADOPTED, StockAction, StockUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

HASH = passwords.hash_password("correct horse battery", 4).decode()
OTHER = passwords.hash_password("another four words here", 4)
ADMINS = {"teacher"}
ADA = StockUser("ada", HASH, authorized=True, known=True)


def run_import(db: Session, *users: StockUser) -> dict[str, StockAction]:
    planned = stock_import.plan_stock_import(db, users, ADMINS)
    assert stock_import.apply_stock_import(db, users, ADMINS) == planned
    return {plan.name: plan.action for plan in planned}


def refusal(db: Session, user: StockUser) -> str:
    (plan,) = stock_import.plan_stock_import(db, [user], ADMINS)
    assert plan.action is StockAction.REFUSE
    return plan.why


def test_accounts_are_imported_with_password_and_state(db: Session) -> None:
    closed = StockUser("closed", HASH, known=True)
    odd = StockUser(
        "müller@example.org", HASH, authorized=True, known=True, email="m@example.org", second_factor="A" * 16
    )
    waiting = StockUser("waiting", HASH)
    assert set(run_import(db, ADA, closed, odd, waiting).values()) == {StockAction.ADD}
    accounts = {entry.name: entry for entry in service.list_accounts(db)}
    assert {name: entry.state for name, entry in accounts.items()} == {
        "ada": AccountState.APPROVED,
        "closed": AccountState.REVOKED,
        "müller@example.org": AccountState.APPROVED,
        "waiting": AccountState.WAITING,
    }
    assert not any(entry.must_change for entry in accounts.values())
    info = {row.username: row for row in db.query(UserInfo)}
    assert passwords.verify_password("correct horse battery", info["ada"].password)
    assert (info["müller@example.org"].has_2fa, info["müller@example.org"].otp_secret) == (True, "A" * 16)
    assert [role.name for role in orm.User.find(db, "ada").roles] == ["user"]
    assert orm.User.find(db, "waiting") is None


def test_a_second_import_changes_nothing_and_keeps_a_new_password(db: Session) -> None:
    run_import(db, ADA)
    service.set_password(db, "ada", OTHER, must_change=False)
    assert run_import(db, ADA) == {"ada": StockAction.NOTHING}
    assert db.query(UserInfo).one().password == OTHER


@pytest.mark.parametrize(
    ("made", "action"),
    [
        (lambda db: service.create_account(db, "ada", OTHER), StockAction.REFUSE),
        (lambda db: service.create_account(db, "ada", OTHER, approved_by="teacher"), StockAction.REFUSE),
        (lambda db: service.create_account(db, "ada", OTHER, approved_by="open sign-up"), StockAction.REFUSE),
        (lambda db: service.create_account(db, "ada", HASH.encode(), approved_by="teacher"), StockAction.NOTHING),
        (lambda db: service.create_account(db, "ada", OTHER, approved_by=ADOPTED), StockAction.NOTHING),
        (
            lambda db: service.create_account(db, "ada", passwords.no_password(4), approved_by="the admin page"),
            StockAction.GIVE_PASSWORD,
        ),
    ],
    ids=["signed up", "approved", "open", "the same password", "taken over", "without a password"],
)
def test_an_account_that_may_belong_to_another_person_gets_no_files(
    db: Session, made: Callable[[Session], None], action: StockAction
) -> None:
    made(db)
    assert run_import(db, ADA) == {"ada": action}
    expected = OTHER if action in {StockAction.REFUSE, StockAction.NOTHING} else HASH.encode()
    assert db.query(UserInfo).one().password in {expected, HASH.encode()}
    if action is StockAction.REFUSE:
        assert "classroom users remove ada" in refusal(db, ADA)


def test_an_account_of_the_operator_belongs_to_the_student(db: Session) -> None:
    """Import again after `classroom users add`, the remedy for files without an account."""
    only_files = StockUser("carl")
    assert run_import(db, only_files) == {"carl": StockAction.NO_ACCOUNT}
    planned = bulk_import.plan_import(db, [ImportRow("carl")], ADMINS)
    bulk_import.apply_import(db, planned, {"carl": OTHER}, COMMAND_LINE)
    assert run_import(db, only_files) == {"carl": StockAction.NOTHING}


def test_an_instructor_gets_the_old_password_until_the_first_one_is_used(db: Session) -> None:
    teacher = StockUser("teacher", HASH, authorized=True, known=True, admin=True)
    service.create_account(db, "teacher", OTHER, approved_by="the settings", must_change=True)
    assert run_import(db, teacher) == {"teacher": StockAction.GIVE_PASSWORD}
    assert not service.list_accounts(db)[0].must_change
    assert run_import(db, teacher) == {"teacher": StockAction.NOTHING}
    service.set_password(db, "teacher", OTHER, must_change=False)
    assert run_import(db, teacher) == {"teacher": StockAction.NOTHING}
    assert db.query(UserInfo).one().password == OTHER


@pytest.mark.parametrize("is_there", [True, False], ids=["made by the settings", "not yet made"])
def test_a_student_with_an_instructors_name_is_refused(db: Session, *, is_there: bool) -> None:
    if is_there:
        service.create_account(db, "teacher", OTHER, approved_by="the settings", must_change=True)
    student = StockUser("teacher", HASH, authorized=True, known=True)
    assert "an instructor in the settings here, but not in the original" in refusal(db, student)
    run_import(db, student)
    assert [row.password for row in db.query(UserInfo)] == ([OTHER] if is_there else [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Ada", "capital letters; rename the directory to ada"),
        ("lost+found/", "no account can have this name"),
        ("..", "no account can have this name"),
        ("a b", "no account can have this name"),
        ("", "no account can have this name"),
        ("x" * 129, "no account can have this name"),
        ("a\x00b", "no account can have this name"),
    ],
)
def test_an_unusable_name_is_refused_with_a_remedy(db: Session, name: str, message: str) -> None:
    assert message in refusal(db, StockUser(name, HASH, authorized=True))


@pytest.mark.parametrize(
    "hashed",
    ["", "plain text", "$1$abc$def", HASH + "x", HASH[:-1]],
    ids=["empty", "plain text", "another algorithm", "too long", "too short"],
)
def test_an_invalid_hash_is_refused(db: Session, hashed: str) -> None:
    assert "classroom users add ada" in refusal(db, StockUser("ada", hashed, authorized=True))
