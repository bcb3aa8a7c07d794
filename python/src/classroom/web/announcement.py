"""What every page of the hub says, until it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from classroom.db.models import Announcement

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_CHARACTERS = 500


def read(db: Session) -> Announcement | None:
    """What the pages say now."""
    return db.scalar(select(Announcement).limit(1))


def say(db: Session, text: str, by: str) -> None:
    """Have every page say this, in the place of what they said."""
    db.execute(delete(Announcement))
    db.add(Announcement(text=text, made_by=by))
    db.commit()


def clear(db: Session) -> bool:
    """Have the pages say nothing; False if they said nothing."""
    said = read(db) is not None
    db.execute(delete(Announcement))
    db.commit()
    return said
