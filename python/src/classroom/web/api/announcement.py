"""The announcement that every page shows until an instructor clears it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope
from pydantic import Field
from sqlalchemy import delete, select

from classroom.accounts.errors import AccountError
from classroom.audit.events import Action, record
from classroom.db.models import Announcement
from classroom.web.api.base import ApiHandler, RequestBody, json_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def current_announcement(db: Session) -> Announcement | None:
    """Return the announcement; None where no announcement is set."""
    return db.scalar(select(Announcement).limit(1))


class _AnnouncementBody(RequestBody):
    text: str = Field(min_length=1, max_length=500)


class AnnouncementApi(ApiHandler):
    """/hub/api/classroom/announcement."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """Send the announcement; its text is null where none is set."""
        self._send_current()

    @needs_scope("admin:users")
    async def put(self) -> None:
        """Replace the announcement."""
        typed = self.parse_body(_AnnouncementBody).text
        text = "".join(letter for letter in typed if letter.isprintable() or letter == "\n").strip()
        if not text:
            raise AccountError("The text is empty.")
        self.db.execute(delete(Announcement))
        self.db.add(Announcement(text=text, made_by=self.actor))
        self.db.commit()
        self.log.info("%s set the announcement %r", self.actor, text)
        record(Action.ANNOUNCED, detail=text)
        self._send_current()

    @needs_scope("admin:users")
    async def delete(self) -> None:
        """Clear the announcement."""
        self.db.execute(delete(Announcement))
        self.db.commit()
        record(Action.ANNOUNCED, detail="cleared")
        self._send_current()

    def _send_current(self) -> None:
        current = current_announcement(self.db)
        self.send_json(
            {
                "text": current and current.text,
                "since": current and json_time(current.made),
                "by": current and current.made_by,
            }
        )
