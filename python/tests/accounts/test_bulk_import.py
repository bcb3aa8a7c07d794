from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm
from nativeauthenticator.orm import UserInfo

from classroom.accounts import bulk_import, passwords, service
from classroom.accounts.bulk_import import BulkImportError, ImportAction, ImportRow
from classroom.accounts.errors import AccountError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HASH = passwords.hash_password("four plain words here", 4)
ADMINS = {"teacher"}


def do(db: Session, *wishes: ImportRow) -> dict[str, ImportAction]:
    planned = bulk_import.plan_import(db, wishes, ADMINS)
    done = bulk_import.apply_import(db, planned, {line.name: HASH for line in planned}, "teacher")
    assert done == planned
    return {line.name: line.action for line in done}


def test_a_list_makes_accounts_that_the_hub_knows_and_is_done_once(db: Session) -> None:
    wishes = (ImportRow("Ada", "Ada Lovelace", "ml"), ImportRow("bob"), ImportRow("eve", group="ml"))
    assert do(db, *wishes) == dict.fromkeys(("ada", "bob", "eve"), ImportAction.ADD)
    assert do(db, *wishes) == dict.fromkeys(("ada", "bob", "eve"), ImportAction.NOTHING)
    found = {entry.name: entry for entry in service.list_accounts(db)}
    assert found["ada"].full_name == "Ada Lovelace"
    assert all(entry.state is service.AccountState.APPROVED and entry.must_change for entry in found.values())
    assert [role.name for role in orm.User.find(db, "bob").roles] == ["user"]
    assert sorted(user.name for user in orm.Group.find(db, "ml").users) == ["ada", "eve"]


def test_what_differs_from_the_list_is_brought_up_to_date_and_passwords_stay(db: Session) -> None:
    do(db, ImportRow("ada", "Ada", "ml"))
    other = passwords.hash_password("another four words here", 4)
    planned = bulk_import.plan_import(db, [ImportRow("ada", "Ada Lovelace", "stats")], ADMINS)
    bulk_import.apply_import(db, planned, {"ada": other}, "teacher")
    assert planned[0].action is ImportAction.UPDATE
    assert service.list_accounts(db)[0].full_name == "Ada Lovelace"
    assert sorted(group.name for group in orm.User.find(db, "ada").groups) == ["ml", "stats"]
    assert db.query(UserInfo).one().password == HASH


def test_who_waits_or_is_closed_is_not_let_in_by_a_list(db: Session) -> None:
    service.create_account(db, "waits", HASH)
    service.create_account(db, "closed", HASH, approved_by="teacher")
    service.revoke_accounts(db, ["closed"], ())
    assert do(db, ImportRow("waits"), ImportRow("closed")) == {
        "waits": ImportAction.WAITS,
        "closed": ImportAction.CLOSED,
    }
    assert {entry.name: entry.state.value for entry in service.list_accounts(db)} == {
        "waits": "waiting",
        "closed": "revoked",
    }


def test_an_account_of_the_admin_page_gets_its_password(db: Session) -> None:
    service.create_account(db, "ada", passwords.no_password(4), approved_by="the admin page")
    assert do(db, ImportRow("ada")) == {"ada": ImportAction.GIVE_PASSWORD}
    assert service.list_accounts(db)[0].must_change
    assert service.list_accounts(db)[0].has_password


def test_one_bad_line_and_nothing_is_done(db: Session) -> None:
    wishes = [
        ImportRow("ada"),
        ImportRow("Ünal"),
        ImportRow("ADA"),
        ImportRow("teacher"),
        ImportRow("bob", group="a/b"),
        ImportRow("eve", "x" * 101),
    ]
    with pytest.raises(BulkImportError) as raised:
        bulk_import.plan_import(db, wishes, ADMINS)
    assert sorted(raised.value.problems) == [1, 2, 3, 4, 5]
    assert raised.value.problems[2] == "ada is listed twice, first on line 1."
    assert service.list_accounts(db) == []


def test_a_name_that_stock_allowed_is_known_and_kept(db: Session) -> None:
    service.create_account(db, "Ada L.", HASH, approved_by="teacher")
    assert do(db, ImportRow("Ada L.")) == {"Ada L.": ImportAction.NOTHING}


def test_an_account_that_goes_meanwhile_stops_the_whole_list(db: Session) -> None:
    do(db, ImportRow("ada"))
    planned = bulk_import.plan_import(db, [ImportRow("bob"), ImportRow("ada")], ADMINS)
    service.remove_account(db, "ada")
    with pytest.raises(AccountError, match="ada was removed meanwhile"):
        bulk_import.apply_import(db, planned, {"bob": HASH}, "teacher")
    assert service.list_accounts(db) == []
    assert orm.User.find(db, "bob") is None


def test_an_account_that_comes_meanwhile_keeps_its_password(db: Session) -> None:
    planned = bulk_import.plan_import(db, [ImportRow("ada")], ADMINS)
    service.create_account(db, "ada", b"another", approved_by="teacher")
    [line] = bulk_import.apply_import(db, planned, {"ada": HASH}, "teacher")
    assert line.action is ImportAction.NOTHING
    assert db.query(UserInfo).one().password == b"another"
