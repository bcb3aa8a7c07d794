"""Progress of a student's image while it loads, for the home page and the start page."""

from __future__ import annotations

from jupyterhub.scopes import needs_scope
from tornado import web

from classroom.spawner.docker import ClassroomSpawner
from classroom.web.pages.base import Page


class PreparingPage(Page):
    """The address /hub/preparing/NAME. The student and instructors may use it."""

    after_login = "/hub/home"

    @web.authenticated
    @needs_scope("servers")
    async def get(self, user_name: str) -> None:
        """Send the progress as JSON.

        Raises:
            HTTPError: 404, there is no such student, or servers have no images.
        """
        user = self.find_user(user_name)
        if user is None or not isinstance(user.spawner, ClassroomSpawner):
            raise web.HTTPError(404)
        progress = user.spawner.image_progress
        self.set_header("Cache-Control", "no-store")
        if progress is None:
            self.finish({"preparing": False})
        else:
            self.finish({"preparing": True, "text": str(progress), "percent": progress.percent})
