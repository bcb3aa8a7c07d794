"""Upgrade of a stock site (JupyterHub 5.5.4, NativeAuthenticator 1.3.0), and its rollback."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import bcrypt
import pytest
from jupyterhub import orm
from sqlalchemy import create_engine, inspect, text
from traitlets.config import Config

from classroom.accounts import service
from classroom.accounts.authenticator import ClassroomAuthenticator
from classroom.accounts.homes import home_location
from classroom.db import migrations, sqlite, upgrade
from classroom.db.sqlite import Revisions
from classroom.errors import ClassroomError

HERE = Path(__file__).parent
STOCK = Revisions(hub="4621fec11365", classroom=None)
PEOPLE: dict[str, dict[str, object]] = json.loads((HERE / "stock.json").read_text(encoding="utf-8"))
"""Who is in stock.sql, which make_stock.py printed: the database of a real hub."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state directory of a stock site."""
    folder = tmp_path / "state"
    folder.mkdir()
    with sqlite3.connect(folder / "jupyterhub.sqlite") as made:
        made.executescript((HERE / "stock.sql").read_text(encoding="utf-8"))
    made.close()
    return folder


def roll_back(state: Path) -> upgrade.DatabaseCopy:
    chosen = upgrade.choose_copy(state)
    upgrade.roll_back(state, chosen)
    return chosen


def accounts(state: Path) -> list[tuple[object, ...]]:
    query = "SELECT username, hex(password), is_authorized FROM users_info ORDER BY username"
    return sqlite.select_rows(state / "jupyterhub.sqlite", query)


def dump(file: Path) -> str:
    with sqlite3.connect(file) as opened:
        found = "\n".join(opened.iterdump())
    opened.close()
    return found


def authenticator(state: Path) -> ClassroomAuthenticator:
    """Return an authenticator, created as the hub does at its start."""
    db = orm.new_session_factory(f"sqlite:///{state}/jupyterhub.sqlite")()
    settings = {"admin_users": {"teacher"}, "secrets_dir": str(state / "secrets")}
    return ClassroomAuthenticator(config=Config({"ClassroomAuthenticator": settings}), _deprecated_db_session=db)


def test_accounts_passwords_and_homes_of_a_stock_site_survive(state: Path) -> None:
    before = accounts(state)
    kept = upgrade.prepare_database(state)
    assert kept is not None
    assert (kept.reason, kept.revisions) == ("upgrade", STOCK)
    auth = authenticator(state)
    found = {account.name: account for account in service.list_accounts(auth.db)}
    assert {name: account.state.value for name, account in found.items()} == {
        name: "approved" if account["approved"] else "waiting" for name, account in PEOPLE.items()
    }
    assert {name for name, account in found.items() if account.is_admin} == {"teacher"}
    for name, account in PEOPLE.items():
        info, _ = service.find_account(auth.db, name) or pytest.fail(name)
        assert bcrypt.checkpw(str(account["password"]).encode(), info.password), name
    homes = {name: home_location(auth.db, name, f"{place}-x") for place, name in enumerate(PEOPLE)}
    auth.db.close()
    assert accounts(state) == before
    assert upgrade.prepare_database(state) is None, "a second start has nothing to do"
    again = authenticator(state)
    assert {name: home_location(again.db, name, "another") for name in PEOPLE} == homes
    again.db.close()


def test_a_rollback_gives_the_old_hub_its_data(state: Path) -> None:
    before = dump(state / "jupyterhub.sqlite")
    upgrade.prepare_database(state)
    authenticator(state).db.close()
    assert upgrade.inspect_database(state).current == upgrade.inspect_database(state).head
    put_back = roll_back(state)
    assert put_back.revisions == STOCK
    assert dump(state / "jupyterhub.sqlite") == before
    assert [copy.reason for copy in upgrade.inspect_database(state).copies] == ["rollback", "upgrade"]
    assert upgrade.inspect_database(state).must_migrate
    forth = roll_back(state)
    assert forth.reason == "rollback", "a second rollback returns to the migrated database"


def test_a_database_of_a_newer_version_is_refused_with_the_remedy(state: Path) -> None:
    upgrade.prepare_database(state)
    newer(state, "9999")
    changed = dump(state / "jupyterhub.sqlite")
    with pytest.raises(
        ClassroomError, match=r"newer version.*restore its copy of .* UTC.*: classroom upgrade rollback$"
    ):
        upgrade.prepare_database(state)
    assert dump(state / "jupyterhub.sqlite") == changed
    assert not upgrade.inspect_database(state).is_compatible
    assert roll_back(state).revisions == STOCK
    assert upgrade.prepare_database(state)


def test_our_own_newer_tables_are_refused_too(state: Path) -> None:
    upgrade.prepare_database(state)
    with sqlite3.connect(state / "jupyterhub.sqlite") as opened:
        opened.execute(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - a constant
    opened.close()
    assert not upgrade.inspect_database(state).is_compatible


def test_a_migration_that_fails_changes_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump(state / "jupyterhub.sqlite")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrations, "upgrade", fail)  # JupyterHub's own migrations have run before
    with pytest.raises(ClassroomError, match="is as it was"):
        upgrade.prepare_database(state)
    assert dump(state / "jupyterhub.sqlite") == before
    assert [path.name for path in state.iterdir() if "migrating" in path.name] == []


def test_the_draft_of_a_killed_migration_is_removed_at_the_next_start_also_without_a_migration(state: Path) -> None:
    upgrade.prepare_database(state)
    for name in (
        ".jupyterhub.sqlite.migrating",
        ".jupyterhub.sqlite.migrating-journal",
        "..jupyterhub.sqlite.migrating.7",
    ):
        (state / name).write_text("hashes of passwords")
    assert upgrade.prepare_database(state) is None
    assert [path.name for path in state.iterdir() if "migrating" in path.name] == []


def test_a_migration_does_not_change_the_logging(state: Path) -> None:
    import logging  # noqa: PLC0415 - for this test only

    before = logging.getLogger().handlers[:]
    upgrade.prepare_database(state)
    assert logging.getLogger().handlers == before


def test_a_new_site_has_nothing_to_migrate(tmp_path: Path) -> None:
    assert upgrade.prepare_database(tmp_path) is None
    assert upgrade.inspect_database(tmp_path).current is None
    with pytest.raises(ClassroomError, match="There is no copy for a rollback"):
        upgrade.choose_copy(tmp_path)


def test_copies_are_bounded_and_the_last_of_each_form_is_kept(state: Path) -> None:
    upgrade.prepare_database(state)
    for _ in range(upgrade.KEPT_COPIES + 3):
        upgrade.save_copy(state, "rollback")
    kept = upgrade.list_copies(state)
    assert len(kept) == upgrade.KEPT_COPIES + 1
    assert kept[-1].revisions == STOCK
    assert all(copy.file.stat().st_mode & 0o777 == 0o600 for copy in kept)
    assert (state / upgrade.COPIES_DIRECTORY).stat().st_mode & 0o777 == 0o700


def test_the_message_for_a_missing_copy_lists_the_copies(state: Path) -> None:
    made = upgrade.save_copy(state, "rollback")
    with pytest.raises(ClassroomError, match=f"named none.sqlite.*{made.file.name}"):
        upgrade.choose_copy(state, "none.sqlite")


def test_a_copy_is_complete_while_others_write(state: Path, tmp_path: Path) -> None:
    file = state / "jupyterhub.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as writing:
        writing.execute(text("DELETE FROM users_info"))  # not committed yet
        sqlite.copy_database(file, tmp_path / "copy.sqlite")
    assert len(sqlite.select_rows(tmp_path / "copy.sqlite", "SELECT 1 FROM users_info")) == len(PEOPLE)
    assert sqlite.select_rows(file, "SELECT 1 FROM users_info") == []
    engine.dispose()


def test_a_damaged_database_is_no_copy(state: Path, tmp_path: Path) -> None:
    file = state / "jupyterhub.sqlite"
    with file.open("r+b") as opened:
        opened.seek(8192)
        opened.write(b"\xff" * 40000)
    with pytest.raises(ClassroomError):
        sqlite.copy_database(file, tmp_path / "copy.sqlite")
    assert list(tmp_path.glob("*copy*")) == []


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "jupyterhub.sqlite").write_text("no database at all, and longer than a header" * 40)
    with pytest.raises(ClassroomError, match="cannot be read as a database"):
        upgrade.inspect_database(tmp_path)


@pytest.mark.parametrize("revision", [f"{number:04}" for number in range(1, 8)])
def test_a_database_from_before_the_first_release_is_migrated_completely(tmp_path: Path, revision: str) -> None:
    """old_revisions/ holds dumps of databases that the seven migrations before the release made, with rows."""
    file = tmp_path / "jupyterhub.sqlite"
    with sqlite3.connect(file) as made:
        for name in ("hub", revision):
            made.executescript((HERE / f"old_revisions/{name}.sql").read_text(encoding="utf-8"))
    made.close()
    before = our_rows(file)
    assert upgrade.inspect_database(tmp_path).is_compatible
    kept = upgrade.prepare_database(tmp_path)
    assert kept is not None, "a copy of the database before its migration"
    status = upgrade.inspect_database(tmp_path)
    assert status.current == status.head
    assert status.is_compatible
    after = our_rows(file)
    if revision < "0006":  # `clear` was added by 0006
        before |= {"classroom_reservations": [(*row, 0) for row in before.get("classroom_reservations", [])]}
    before["classroom_accounts"] = [(*row, "") for row in before["classroom_accounts"]]  # `origin` was added by 0009
    assert {table: rows for table, rows in after.items() if rows} == {t: rows for t, rows in before.items() if rows}
    assert schema(file) == schema_of_a_new_site(tmp_path / "new.sqlite")


def our_rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    query = "SELECT name FROM sqlite_master WHERE name LIKE 'classroom_%' AND type = 'table'"
    names = [str(name) for (name,) in sqlite.select_rows(file, query)]
    return {
        name: sqlite.select_rows(file, f"SELECT * FROM {name}")  # noqa: S608 - names of tables
        for name in names
        if name != migrations.VERSION_TABLE
    }


def schema(file: Path) -> dict[str, object]:
    """Return columns, keys, indexes and constraints of our tables. The order of columns does not matter."""
    engine = create_engine(f"sqlite:///{file}")
    found = inspect(engine)
    tables = [name for name in found.get_table_names() if name.startswith("classroom_")]
    shape = {
        name: (
            sorted(str(sorted(column.items(), key=str)) for column in found.get_columns(name)),
            found.get_pk_constraint(name),
            found.get_unique_constraints(name),
            found.get_indexes(name),
            "AUTOINCREMENT" in str(sqlite.select_rows(file, "SELECT sql FROM sqlite_master WHERE name = ?", name)),
        )
        for name in tables
    }
    engine.dispose()
    return shape


def schema_of_a_new_site(file: Path) -> dict[str, object]:
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    return schema(file)


def newer(state: Path, revision: str) -> None:
    """Change a database into one of a later JupyterHub."""
    draft = state / "draft"
    shutil.copy(state / "jupyterhub.sqlite", draft)
    with sqlite3.connect(draft) as opened:
        opened.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    opened.close()
    draft.replace(state / "jupyterhub.sqlite")
