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


def run_import(db: Session, *rows: ImportRow) -> dict[str, ImportAction]:
    planned = bulk_import.plan_import(db, rows, ADMINS)
    done = bulk_import.apply_import(db, planned, {row.name: HASH for row in planned}, "teacher")
    assert done == planned
    return {row.name: row.action for row in done}


def test_an_import_creates_hub_users_and_a_second_one_changes_nothing(db: Session) -> None:
    rows = (ImportRow("Ada", "Ada Lovelace", "ml"), ImportRow("bob"), ImportRow("eve", group="ml"))
    assert run_import(db, *rows) == dict.fromkeys(("ada", "bob", "eve"), ImportAction.ADD)
    assert run_import(db, *rows) == dict.fromkeys(("ada", "bob", "eve"), ImportAction.NOTHING)
    accounts = {entry.name: entry for entry in service.list_accounts(db)}
    assert accounts["ada"].full_name == "Ada Lovelace"
    assert all(entry.state is service.AccountState.APPROVED and entry.must_change for entry in accounts.values())
    assert [role.name for role in orm.User.find(db, "bob").roles] == ["user"]
    assert sorted(user.name for user in orm.Group.find(db, "ml").users) == ["ada", "eve"]


def test_an_import_updates_names_and_groups_but_no_passwords(db: Session) -> None:
    run_import(db, ImportRow("ada", "Ada", "ml"))
    other = passwords.hash_password("another four words here", 4)
    planned = bulk_import.plan_import(db, [ImportRow("ada", "Ada Lovelace", "stats")], ADMINS)
    bulk_import.apply_import(db, planned, {"ada": other}, "teacher")
    assert planned[0].action is ImportAction.UPDATE
    assert service.list_accounts(db)[0].full_name == "Ada Lovelace"
    assert sorted(group.name for group in orm.User.find(db, "ada").groups) == ["ml", "stats"]
    assert db.query(UserInfo).one().password == HASH


def test_an_import_opens_no_waiting_or_closed_account(db: Session) -> None:
    service.create_account(db, "waits", HASH)
    service.create_account(db, "closed", HASH, approved_by="teacher")
    service.revoke_accounts(db, ["closed"], ())
    assert run_import(db, ImportRow("waits"), ImportRow("closed")) == {
        "waits": ImportAction.WAITS,
        "closed": ImportAction.CLOSED,
    }
    assert {entry.name: entry.state.value for entry in service.list_accounts(db)} == {
        "waits": "waiting",
        "closed": "revoked",
    }


def test_an_import_gives_an_account_of_the_admin_page_its_password(db: Session) -> None:
    service.create_account(db, "ada", passwords.no_password(4), approved_by="the admin page")
    assert run_import(db, ImportRow("ada")) == {"ada": ImportAction.GIVE_PASSWORD}
    assert service.list_accounts(db)[0].must_change
    assert service.list_accounts(db)[0].has_password


def test_one_bad_row_stops_the_import(db: Session) -> None:
    rows = [
        ImportRow("ada"),
        ImportRow("Ünal"),
        ImportRow("ADA"),
        ImportRow("teacher"),
        ImportRow("bob", group="a/b"),
        ImportRow("eve", "x" * 101),
    ]
    with pytest.raises(BulkImportError) as raised:
        bulk_import.plan_import(db, rows, ADMINS)
    assert sorted(raised.value.problems) == [1, 2, 3, 4, 5]
    assert raised.value.problems[2] == "ada is listed twice, first on line 1."
    assert service.list_accounts(db) == []


def test_an_import_accepts_the_existing_name_of_a_stock_account(db: Session) -> None:
    service.create_account(db, "Ada L.", HASH, approved_by="teacher")
    assert run_import(db, ImportRow("Ada L.")) == {"Ada L.": ImportAction.NOTHING}


def test_an_account_removed_meanwhile_stops_the_import(db: Session) -> None:
    run_import(db, ImportRow("ada"))
    planned = bulk_import.plan_import(db, [ImportRow("bob"), ImportRow("ada")], ADMINS)
    service.remove_account(db, "ada")
    with pytest.raises(AccountError, match="ada was removed meanwhile"):
        bulk_import.apply_import(db, planned, {"bob": HASH}, "teacher")
    assert service.list_accounts(db) == []
    assert orm.User.find(db, "bob") is None


def test_an_account_created_meanwhile_keeps_its_password(db: Session) -> None:
    planned = bulk_import.plan_import(db, [ImportRow("ada")], ADMINS)
    service.create_account(db, "ada", b"another", approved_by="teacher")
    [row] = bulk_import.apply_import(db, planned, {"ada": HASH}, "teacher")
    assert row.action is ImportAction.NOTHING
    assert db.query(UserInfo).one().password == b"another"
