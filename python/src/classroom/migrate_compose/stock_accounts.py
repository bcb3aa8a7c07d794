"""Accounts of a stock NativeAuthenticator, read from the database of a JupyterHub 5 or 6."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from classroom.db import sqlite
from classroom.errors import ClassroomError

_COMPANIONS = ("-journal", "-wal")
# What stock's own column takes (nativeauthenticator.orm).
_EMAIL = re.compile(r"[A-Za-z0-9\.\+_-]+@[A-Za-z0-9\._-]+\.[a-zA-Z]*")


@dataclass(frozen=True)
class StockAccount:
    """An account of the docker-compose project."""

    name: str
    password: str
    """Hash by bcrypt."""
    authorized: bool
    known: bool
    """Whether JupyterHub knows the name, as it does after the first login."""
    admin: bool
    email: str | None = None
    second_factor: str | None = None
    """Secret of the second factor, for an account that logs in with one."""

    @property
    def status(self) -> str:
        """Return the state of the account: approved, waiting or closed."""
        return "approved" if self.authorized else "closed" if self.known else "waiting"


def read_accounts(file: Path) -> tuple[StockAccount, ...]:
    """Return the accounts, oldest first.

    This opens a copy of the database, with its journal and write-ahead log, and leaves the file itself alone.

    Raises:
        ClassroomError: the database cannot be read, is damaged or incomplete, or holds no accounts.
    """
    with tempfile.TemporaryDirectory(prefix="classroom-adopt-") as directory:
        copy = Path(directory) / "jupyterhub.sqlite"
        try:
            shutil.copyfile(file, copy)
            for companion in _COMPANIONS:
                if (log := file.with_name(file.name + companion)).exists():
                    shutil.copyfile(log, copy.with_name(copy.name + companion))
        except OSError as error:
            raise ClassroomError(f"{file}: cannot be read ({error.strerror}); run this as root") from error
        _check_integrity(copy, file)
        rows = sqlite.select_rows(
            copy,
            "SELECT i.username, i.password, i.is_authorized, u.name IS NOT NULL, u.admin, i.email, i.has_2fa, "
            "i.otp_secret FROM users_info AS i LEFT JOIN users AS u ON u.name = i.username ORDER BY i.id",
        )
        if not rows and not sqlite.select_rows(copy, "SELECT name FROM sqlite_master WHERE name = 'users_info'"):
            raise ClassroomError(
                f"{file}: holds no accounts of NativeAuthenticator; name the project's database with --database FILE"
            )
    accounts: dict[str, StockAccount] = {}
    for name, password, authorized, known, admin, email, with_factor, factor in rows:
        hashed = password.decode("latin-1") if isinstance(password, bytes) else str(password or "")
        account = StockAccount(
            name=str(name),
            password=hashed,
            authorized=bool(authorized),
            known=bool(known),
            admin=bool(admin and authorized),
            email=str(email) if email and _EMAIL.fullmatch(str(email)) else None,
            second_factor=str(factor) if with_factor and factor else None,
        )
        # Of two rows of one name the first counts, as in stock.
        accounts.setdefault(account.name, account)
    return tuple(accounts.values())


def _check_integrity(copy: Path, file: Path) -> None:
    try:
        with sqlite.open_database(copy) as opened:
            (result,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        result = str(error)
    if result != "ok":
        raise ClassroomError(
            f"{file}: damaged or incomplete ({result}); stop the project and copy it again: docker compose cp "
            f"jupyterhub:/srv/jupyterhub/data/jupyterhub.sqlite {file}"
        )
