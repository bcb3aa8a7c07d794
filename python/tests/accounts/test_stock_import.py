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


def do(db: Session, *candidates: StockUser) -> dict[str, StockAction]:
    planned = stock_import.plan_stock_import(db, candidates, ADMINS)
    assert stock_import.apply_stock_import(db, candidates, ADMINS) == planned
    return {line.name: line.action for line in planned}


def why(db: Session, candidate: StockUser) -> str:
    (line,) = stock_import.plan_stock_import(db, [candidate], ADMINS)
    assert line.action is StockAction.REFUSE
    return line.why


def test_accounts_come_with_their_passwords_and_where_they_stood(db: Session) -> None:
    closed = StockUser("closed", HASH, known=True)
    odd = StockUser(
        "müller@example.org", HASH, authorized=True, known=True, email="m@example.org", second_factor="A" * 16
    )
    waiting = StockUser("waiting", HASH)
    assert set(do(db, ADA, closed, odd, waiting).values()) == {StockAction.ADD}
    found = {entry.name: entry for entry in service.list_accounts(db)}
    assert {name: entry.state for name, entry in found.items()} == {
        "ada": AccountState.APPROVED,
        "closed": AccountState.REVOKED,
        "müller@example.org": AccountState.APPROVED,
        "waiting": AccountState.WAITING,
    }
    assert not any(entry.must_change for entry in found.values())
    info = {row.username: row for row in db.query(UserInfo)}
    assert passwords.verify_password("correct horse battery", info["ada"].password)
    assert (info["müller@example.org"].has_2fa, info["müller@example.org"].otp_secret) == (True, "A" * 16)
    assert [role.name for role in orm.User.find(db, "ada").roles] == ["user"]
    assert orm.User.find(db, "waiting") is None


def test_a_second_time_changes_nothing_and_a_new_password_stays(db: Session) -> None:
    do(db, ADA)
    service.set_password(db, "ada", OTHER, must_change=False)
    assert do(db, ADA) == {"ada": StockAction.NOTHING}
    assert db.query(UserInfo).one().password == OTHER


@pytest.mark.parametrize(
    ("made", "deed"),
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
def test_an_account_that_may_be_another_persons_gets_no_files(
    db: Session, made: Callable[[Session], None], deed: StockAction
) -> None:
    made(db)
    assert do(db, ADA) == {"ada": deed}
    expected = OTHER if deed in {StockAction.REFUSE, StockAction.NOTHING} else HASH.encode()
    assert db.query(UserInfo).one().password in {expected, HASH.encode()}
    if deed is StockAction.REFUSE:
        assert "classroom users remove ada" in why(db, ADA)


def test_what_the_operator_made_meanwhile_is_the_students(db: Session) -> None:
    """The remedy for files without an account: classroom users add, then again."""
    only_files = StockUser("carl")
    assert do(db, only_files) == {"carl": StockAction.NO_ACCOUNT}
    planned = bulk_import.plan_import(db, [ImportRow("carl")], ADMINS)
    bulk_import.apply_import(db, planned, {"carl": OTHER}, COMMAND_LINE)
    assert do(db, only_files) == {"carl": StockAction.NOTHING}


def test_an_instructor_gets_the_old_password_until_the_first_one_is_used(db: Session) -> None:
    teacher = StockUser("teacher", HASH, authorized=True, known=True, admin=True)
    service.create_account(db, "teacher", OTHER, approved_by="the settings", must_change=True)
    assert do(db, teacher) == {"teacher": StockAction.GIVE_PASSWORD}
    assert not service.list_accounts(db)[0].must_change
    assert do(db, teacher) == {"teacher": StockAction.NOTHING}
    service.set_password(db, "teacher", OTHER, must_change=False)
    assert do(db, teacher) == {"teacher": StockAction.NOTHING}
    assert db.query(UserInfo).one().password == OTHER


@pytest.mark.parametrize("is_there", [True, False], ids=["made by the settings", "not yet made"])
def test_a_student_who_took_an_instructors_name_is_not_let_in(db: Session, *, is_there: bool) -> None:
    if is_there:
        service.create_account(db, "teacher", OTHER, approved_by="the settings", must_change=True)
    squatter = StockUser("teacher", HASH, authorized=True, known=True)
    assert "an instructor in the settings here, but not in the original" in why(db, squatter)
    do(db, squatter)
    assert [row.password for row in db.query(UserInfo)] == ([OTHER] if is_there else [])


@pytest.mark.parametrize(
    ("name", "said"),
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
def test_a_name_under_which_nobody_could_sign_in_is_refused_with_what_to_do(db: Session, name: str, said: str) -> None:
    assert said in why(db, StockUser(name, HASH, authorized=True))


@pytest.mark.parametrize("hashed", ["", "plain text", "$1$abc$def", HASH + "x", HASH[:-1]])
def test_a_password_that_cannot_be_checked_is_no_account(db: Session, hashed: str) -> None:
    assert "classroom users add ada" in why(db, StockUser("ada", hashed, authorized=True))
