"""Page about the end of a student's last server, with the last lines of its log, for the student and instructors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado import web

from classroom.web.pages.base import Page
from classroom.web.text import time_ago

if TYPE_CHECKING:
    from classroom.spawner.endings import Endings


class ServerLogPage(Page):
    """The page /hub/server-log/NAME."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """Show why the last server ended.

        Raises:
            HTTPError: 404, there is no such student, or it is somebody else.
        """
        user = self.current_user
        if self.find_user(name) is None or not (user.admin or user.name == name):
            raise web.HTTPError(404)
        endings: Endings = self.settings["app"].endings
        ending = endings.last(name)
        age = ending and time_ago(ending.moment.replace(tzinfo=None))
        await self.send_page("server-log.html", owner_name=name, ending=ending, age=age)
