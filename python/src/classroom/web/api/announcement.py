"""What every page says."""

from __future__ import annotations

from jupyterhub.scopes import needs_scope
from pydantic import Field

from classroom.accounts.errors import AccountError
from classroom.web import announcement
from classroom.web.api.base import ApiHandler, RequestBody, json_time


class _Said(RequestBody):
    text: str = Field(min_length=1, max_length=announcement.MAX_CHARACTERS)


class AnnouncementApi(ApiHandler):
    """/hub/api/classroom/announcement."""

    @needs_scope("admin:users")
    async def get(self) -> None:
        """What the pages say now; text is null where they say nothing."""
        self._tell()

    @needs_scope("admin:users")
    async def put(self) -> None:
        """Have them say this."""
        text = "".join(
            letter for letter in self.parse_body(_Said).text if letter.isprintable() or letter == "\n"
        ).strip()
        if not text:
            raise AccountError("The text is empty.")
        announcement.say(self.db, text, self.actor)
        self.log.info("%s: every page says %r", self.actor, text)
        self._tell()

    @needs_scope("admin:users")
    async def delete(self) -> None:
        """Have them say nothing."""
        announcement.clear(self.db)
        self._tell()

    def _tell(self) -> None:
        said = announcement.read(self.db)
        self.send_json(
            {
                "text": said and said.text,
                "since": json_time(said.made) if said else None,
                "by": said and said.made_by,
            }
        )
