"""Whose home is where: a name that is used again never gets the files of the one who had it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from classroom.db.models import Home, utc_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def home_location(db: Session, username: str, escaped: str, prefix: str = "classroom") -> str:
    """Where the home of the account that has this name now is; recorded when asked for the first time.

    Args:
        db: the hub's session; a new row is committed.
        username: as JupyterHub has it.
        escaped: the same, safe in names of volumes and folders.
        prefix: how the names of this class's homes begin; other classes on the same engine have other ones.

    Returns:
        `<prefix>-home-<escaped>`, or `<prefix>-home-<escaped>--N` (N from 2) where an account of that name was
        removed before.
    """
    current = recorded_home(db, username)
    if current is not None:
        return current
    first = f"{prefix}-home-{escaped}"
    taken = set(db.scalars(select(Home.location).where(Home.location.startswith(first, autoescape=True))))
    location, generation = first, 1
    while location in taken:
        generation += 1
        location = f"{first}--{generation}"
    db.add(Home(username=username, location=location))
    db.commit()
    return location


def recorded_home(db: Session, username: str) -> str | None:
    """Where the home of the account is, if it has been asked for before."""
    return db.scalar(select(Home.location).where(Home.username == username, Home.archived_at.is_(None)))


def archive_home(db: Session, username: str) -> None:
    """Set aside the home of an account that is being removed. Its files stay; nobody is given that place again."""
    db.execute(update(Home).where(Home.username == username, Home.archived_at.is_(None)).values(archived_at=utc_now()))
    db.commit()
