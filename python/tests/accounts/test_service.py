from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm
from nativeauthenticator.orm import UserInfo
from tornado.web import HTTPError

from classroom.accounts import passwords, service
from classroom.accounts.errors import AccountError, NameTakenError
from classroom.accounts.service import AccountState
from classroom.db.models import Account

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HASH = passwords.hash_password("four plain words here", 4)


def states(db: Session) -> dict[str, AccountState]:
    return {entry.name: entry.state for entry in service.list_accounts(db)}


def test_a_name_is_taken_once(db: Session) -> None:
    service.create_account(db, "ada", HASH)
    with pytest.raises(NameTakenError, match="ada is taken"):
        service.create_account(db, "ada", HASH)
    assert db.query(Account).count() == db.query(UserInfo).count() == 1


def test_the_database_refuses_a_second_account_of_a_name(db: Session) -> None:
    db.add(Account(name="ada"))
    db.commit()
    with pytest.raises(NameTakenError):
        service.create_account(db, "ada", HASH)
    assert db.query(UserInfo).count() == 0


def test_nobody_can_sign_up_as_an_existing_hub_user(db: Session) -> None:
    db.add(orm.User(name="ada"))
    db.commit()
    with pytest.raises(NameTakenError):
        service.create_account(db, "ada", HASH)


def test_approving_creates_the_hub_user_once(db: Session) -> None:
    service.create_account(db, "ada", HASH)
    assert states(db) == {"ada": AccountState.WAITING}
    assert service.waiting_count(db) == 1
    assert service.approve_accounts(db, ["ada", "ada", "nobody"], "teacher") == service.BatchResult(
        ("ada",), (), ("nobody",)
    )
    assert service.approve_accounts(db, ["ada"], "other") == service.BatchResult((), ("ada",), ())
    assert db.query(orm.User).filter_by(name="ada").one().roles[0].name == "user"
    entry = service.list_accounts(db)[0]
    assert (entry.state, entry.approved_by, service.waiting_count(db)) == (AccountState.APPROVED, "teacher", 0)


def test_rejecting_removes_requests_and_nothing_else(db: Session) -> None:
    service.create_account(db, "ada", HASH)
    service.create_account(db, "bob", HASH, approved_by="teacher")
    service.create_account(db, "eve", HASH, approved_by="teacher")
    service.revoke_accounts(db, ["eve"], ())
    assert service.reject_signups(db, ["ada", "bob", "eve", "nobody"]) == service.BatchResult(
        ("ada",), ("bob", "eve"), ("nobody",)
    )
    assert states(db) == {"bob": AccountState.APPROVED, "eve": AccountState.REVOKED}


def test_revoking_ends_sessions_and_tokens_but_not_of_instructors(db: Session) -> None:
    for name in ("ada", "teacher"):
        service.create_account(db, name, HASH, approved_by="the settings")
    user = orm.User.find(db, "ada")
    cookie = user.cookie_id
    user.new_api_token()
    assert service.revoke_accounts(db, ["ada", "teacher"], {"teacher"}).changed == ("ada",)
    db.refresh(user)
    assert user.cookie_id != cookie
    assert user.api_tokens == []
    assert service.waiting_count(db) == 0, "a closed account does not wait"
    service.approve_accounts(db, ["ada"], "teacher")
    assert states(db)["ada"] is AccountState.APPROVED


def test_a_new_password_ends_all_sessions_and_tokens_but_the_own_one_and_the_servers(db: Session) -> None:
    service.create_account(db, "ada", HASH, approved_by="teacher")
    user = orm.User.find(db, "ada")
    for session in (None, "mine", "elsewhere"):
        user.new_api_token(session_id=session)
    user.new_api_token(note="Server at /user/ada/")
    servers = user.new_api_token(note="renamed")
    db.add(orm.Spawner(name="", user=user, state={"api_token": servers}))
    db.commit()
    service.set_password(db, "ada", passwords.hash_password("new", 4), must_change=True, keep_session="mine")
    db.refresh(user)
    assert {(token.session_id, token.note) for token in user.api_tokens} == {("mine", ""), (None, "renamed")}
    assert service.list_accounts(db)[0].must_change
    with pytest.raises(AccountError, match="no account named nobody"):
        service.set_password(db, "nobody", HASH, must_change=False)


def test_a_new_password_does_not_break_a_server_that_starts(db: Session) -> None:
    service.create_account(db, "ada", HASH, approved_by="teacher")
    user = orm.User.find(db, "ada")
    for _ in range(2):
        user.new_api_token(note="Server at /user/ada/")
    newest = user.api_tokens[-1]
    db.add(orm.Spawner(name="", user=user, server=orm.Server()))
    db.commit()
    service.set_password(db, "ada", passwords.hash_password("new", 4), must_change=True)
    db.refresh(user)
    assert user.api_tokens == [newest]


def test_stock_accounts_are_adopted_and_removed_ones_deleted(db: Session) -> None:
    for name, authorized in (("ada", True), ("bob", False), ("closed", False), ("ünicode", True), ("bob", True)):
        db.add(UserInfo(username=name, password=HASH, is_authorized=authorized))
    db.add(orm.User(name="closed"))
    db.add(Account(name="gone"))
    db.commit()
    service.adopt_stock_accounts(db)
    service.adopt_stock_accounts(db)
    current = states(db)
    assert current["ada"] is current["ünicode"] is AccountState.APPROVED
    assert current["closed"] is AccountState.REVOKED, "a user of the hub may have files and cannot be rejected"
    assert {account.name for account in db.query(Account)} == {"ada", "bob", "closed", "ünicode"}
    first = service.find_account(db, "bob")
    assert first is not None
    assert not first.info.is_authorized, "of two rows of one name the first counts, as in stock"


def test_a_rename_is_refused(db: Session) -> None:
    service.create_account(db, "ada", HASH, approved_by="teacher")
    user = orm.User.find(db, "ada")
    with pytest.raises(HTTPError, match="cannot be renamed"):
        user.name = "eve"
    user.name = "ada"


def test_a_message_shortens_a_long_name() -> None:
    assert len(str(service.account_not_found("x" * 1000))) < 120
