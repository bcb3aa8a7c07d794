"""Homes of accounts. A new account never gets the files of a removed account of the same name."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from classroom.db.models import Home, utc_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def home_location(db: Session, username: str, escaped: str, prefix: str = "classroom") -> str:
    """Return where the home of an account is. The first call records it.

    Args:
        db: the hub's session; a new row is committed.
        username: as JupyterHub has it.
        escaped: the same, safe in names of volumes and directories.
        prefix: of the names of this class's homes; other classes on the same engine have other prefixes.

    Returns:
        `<prefix>-home-<escaped>`, or `<prefix>-home-<escaped>--N` (N from 2) where an account of that name was
        removed before.
    """
    current = recorded_home(db, username)
    if current is not None:
        return current
    first = f"{prefix}-home-{escaped}"
    locations = set(db.scalars(select(Home.location).where(Home.location.startswith(first, autoescape=True))))
    location = (
        first
        if first not in locations
        else next(name for generation in count(2) if (name := f"{first}--{generation}") not in locations)
    )
    db.add(Home(username=username, location=location))
    db.commit()
    return location


def recorded_home(db: Session, username: str) -> str | None:
    """Return where the home of an account is; None if `home_location` has not recorded it yet."""
    return db.scalar(select(Home.location).where(Home.username == username, Home.archived_at.is_(None)))


def forget_home(db: Session, username: str) -> None:
    """Remove the record of an account's home that was never created."""
    db.execute(delete(Home).where(Home.username == username, Home.archived_at.is_(None)))
    db.commit()


def archive_home(db: Session, username: str) -> None:
    """Archive the home of an account that is being removed. Its files stay; no other account gets the location."""
    db.execute(update(Home).where(Home.username == username, Home.archived_at.is_(None)).values(archived_at=utc_now()))
    db.commit()
