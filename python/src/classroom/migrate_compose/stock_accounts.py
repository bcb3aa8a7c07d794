"""The accounts of a stock NativeAuthenticator, from the database of a JupyterHub 5 or 6."""

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
class Person:
    """An account of the original's."""

    name: str
    password: str
    """bcrypt's hash."""
    authorized: bool
    known: bool
    """Has signed in: JupyterHub knows the name."""
    admin: bool
    email: str | None = None
    second_factor: str | None = None
    """The secret of an account that signs in with a second factor."""

    @property
    def standing(self) -> str:
        """What the account is: approved, waiting, closed."""
        return "approved" if self.authorized else "closed" if self.known else "waiting"


def read(file: Path) -> tuple[Person, ...]:
    """The accounts, oldest first. The file is only read: looked at is a copy, with what its hub had not finished.

    Raises:
        ClassroomError: it cannot be read, is damaged or half copied, or holds no accounts.
    """
    with tempfile.TemporaryDirectory(prefix="classroom-adopt-") as folder:
        copy = Path(folder) / "jupyterhub.sqlite"
        try:
            shutil.copyfile(file, copy)
            for companion in _COMPANIONS:
                if (beside := file.with_name(file.name + companion)).exists():
                    shutil.copyfile(beside, copy.with_name(copy.name + companion))
        except OSError as error:
            raise ClassroomError(f"{file}: cannot be read ({error.strerror}); run this as root") from error
        _demand_whole(copy, file)
        found = sqlite.select_rows(
            copy,
            "SELECT i.username, i.password, i.is_authorized, u.name IS NOT NULL, u.admin, i.email, i.has_2fa, "
            "i.otp_secret FROM users_info AS i LEFT JOIN users AS u ON u.name = i.username ORDER BY i.id",
        )
        if not found and not sqlite.select_rows(copy, "SELECT name FROM sqlite_master WHERE name = 'users_info'"):
            raise ClassroomError(
                f"{file}: holds no accounts of NativeAuthenticator; name the original's with --database FILE"
            )
    people: dict[str, Person] = {}
    for name, password, authorized, known, admin, email, with_factor, factor in found:
        hashed = password.decode("latin-1") if isinstance(password, bytes) else str(password or "")
        person = Person(
            name=str(name),
            password=hashed,
            authorized=bool(authorized),
            known=bool(known),
            admin=bool(admin and authorized),
            email=str(email) if email and _EMAIL.fullmatch(str(email)) else None,
            second_factor=str(factor) if with_factor and factor else None,
        )
        # Of two rows of one name the first counts, as in stock.
        people.setdefault(person.name, person)
    return tuple(people.values())


def _demand_whole(copy: Path, file: Path) -> None:
    try:
        with sqlite.open_database(copy) as opened:
            (found,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise ClassroomError(
            f"{file}: damaged, or a half copy ({found}); stop the original and copy it again: docker compose cp "
            f"jupyterhub:/srv/jupyterhub/data/jupyterhub.sqlite {file}"
        )
