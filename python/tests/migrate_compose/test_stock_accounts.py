from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import bcrypt
import pytest

from classroom.db import upgrade
from classroom.errors import ClassroomError
from classroom.migrate_compose import stock_accounts


def test_accounts_of_jupyterhub_5_are_read_with_their_passwords(
    folder: Path, stock: dict[str, dict[str, object]]
) -> None:
    found = {account.name: account for account in stock_accounts.read_accounts(folder / "data/jupyterhub.sqlite")}
    assert {name: account.authorized for name, account in found.items()} == {
        name: account["approved"] for name, account in stock.items()
    }
    assert [name for name, account in found.items() if account.admin] == ["teacher"]
    assert not found["eve"].known
    for name in ("grace", "müller"):
        assert bcrypt.checkpw(str(stock[name]["password"]).encode(), found[name].password.encode())


def test_accounts_of_jupyterhub_6_are_the_same(folder: Path, tmp_path: Path) -> None:
    before = stock_accounts.read_accounts(folder / "data/jupyterhub.sqlite")
    state = tmp_path / "six"
    state.mkdir()
    shutil.copy(folder / "data/jupyterhub.sqlite", state)
    assert upgrade.prepare_database(state)
    assert stock_accounts.read_accounts(state / "jupyterhub.sqlite") == before


def test_the_database_is_only_read_together_with_its_write_ahead_log(folder: Path) -> None:
    file = folder / "data/jupyterhub.sqlite"
    writing = sqlite3.connect(file)
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute("UPDATE users_info SET is_authorized = 1 WHERE username = 'eve'")
    writing.commit()
    before = {path.name: path.read_bytes() for path in file.parent.glob("jupyterhub.sqlite*")}
    assert "jupyterhub.sqlite-wal" in before
    assert all(account.authorized for account in stock_accounts.read_accounts(file))
    assert {path.name: path.read_bytes() for path in file.parent.glob("jupyterhub.sqlite*")} == before
    writing.close()


def test_a_second_factor_is_kept(folder: Path) -> None:
    with sqlite3.connect(folder / "data/jupyterhub.sqlite") as opened:
        opened.execute("UPDATE users_info SET has_2fa = 1, email = 'ada@example.org' WHERE username = 'ada'")
        opened.execute("UPDATE users_info SET email = 'no address' WHERE username = 'grace'")
    opened.close()
    found = {account.name: account for account in stock_accounts.read_accounts(folder / "data/jupyterhub.sqlite")}
    assert (found["ada"].second_factor, found["ada"].email) == ("KRSDR6IUOQQWZHFA", "ada@example.org")
    assert (found["grace"].second_factor, found["grace"].email) == (None, None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("half", "damaged or incomplete .*docker compose cp"),
        ("text", "damaged or incomplete"),
        ("empty", "holds no accounts of NativeAuthenticator; name the project's database with --database FILE"),
        ("another", "holds no accounts of NativeAuthenticator"),
    ],
)
def test_an_incomplete_database_is_an_error(folder: Path, damage: str, message: str) -> None:
    file = folder / "data/jupyterhub.sqlite"
    match damage:
        case "half":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case "text":
            file.write_text("no database at all " * 400)
        case "empty":
            file.write_bytes(b"")
        case "another":
            file.unlink()
            with sqlite3.connect(file) as made:
                made.execute("CREATE TABLE users (name TEXT)")
            made.close()
    with pytest.raises(ClassroomError, match=message):
        stock_accounts.read_accounts(file)
