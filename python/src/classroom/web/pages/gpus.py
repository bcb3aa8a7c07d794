"""Pages about GPUs: the instructors' list, and the students' line."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import docker.errors
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from classroom.db.models import utc_now
from classroom.errors import ClassroomError
from classroom.gpus import queue, usage
from classroom.gpus.report import report
from classroom.gpus.reservations import store
from classroom.gpus.snapshot import all_leases, discover_gpus, measured
from classroom.gpus.telemetry.sample import read
from classroom.gpus.text import reservation, standing
from classroom.settings.groups import gpu_rules, offers_gpus
from classroom.spawner.docker import ClassroomSpawner
from classroom.units import format_duration
from classroom.web.pages.base import Page

_NO_ANSWER = (ClassroomError, docker.errors.APIError)


class GpuPage(Page):
    """The page /hub/gpus: who holds what since when, who waits, what is wrong."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self) -> None:
        """Show it as it is now."""
        spawner = self.current_user.spawner
        if not isinstance(spawner, ClassroomSpawner) or not offers_gpus(spawner.settings):
            raise web.HTTPError(404, 'This class uses no GPUs: the setting gpu.policy is "none".')
        gpu, rules = spawner.settings.gpu, gpu_rules(spawner.settings)
        try:
            stock, held = await discover_gpus(gpu), await all_leases(spawner.engine)
            found = report(gpu, stock, held, read(gpu.samples), rules)
        except _NO_ANSWER as error:
            raise web.HTTPError(503, f"The machine that runs the servers does not answer: {error}") from error
        now = time.time()
        rows = [
            (row, format_duration(now - datetime.fromisoformat(row.since).timestamp()) if row.since else "")
            for row in found.rows
        ]
        places = queue.read_queue(spawner.db)
        waiting = [
            (each.name, format_duration(now - each.joined.replace(tzinfo=UTC).timestamp()), each.offered is not None)
            for each in (
                queue.ordered_by_use(places, usage.recent_use(spawner.db)) if gpu.prefer_least_used else places
            )
        ]
        when = utc_now()
        booked = [
            (reservation(each, when), each.group or "instructors", each.made_by)
            for each in store.list_reservations(spawner.db, when)
        ]
        await self.send_page("gpus.html", report=found, rows=rows, line=waiting, reservations=booked)


class LinePage(Page):
    """`GET` says where a student stands, `POST` with `action` joins or leaves: for the student and for instructors."""

    @web.authenticated
    @needs_scope("servers")
    async def get(self, user_name: str) -> None:
        """As JSON, for the page that waits."""
        spawner = self._spawner(user_name)
        try:
            view = await measured(await spawner.look_at_gpus(recent=True))
        except _NO_ANSWER as error:
            raise web.HTTPError(503, str(error)) from error
        name, hub = spawner.user.name, self.settings["app"]
        if self.current_user is not None and self.current_user.name == name:
            hub.notices.seen(name)
        self.set_header("Cache-Control", "no-store")
        found, place = standing(view, name), view.place(name)
        if place is not None and found["turn"] and not hub.turns.begin(name, view.queue[place].offered):
            found = {"waiting": False}  # the hub tried, and it failed: the start page says why
        self.finish(found)

    @web.authenticated
    @needs_scope("servers")
    async def post(self, user_name: str) -> None:
        """To the start page, which shows what has changed."""
        spawner = self._spawner(user_name)
        action = self.field("action", "The button", 10)
        if action == "leave":
            queue.leave_queue(spawner.db, spawner.user.name)
            self.redirect(url_path_join(self.hub.base_url, "home"))
            return
        if action != "join":
            raise web.HTTPError(400, "Use the buttons of the page.")
        if not spawner.active and not queue.join_queue(spawner.db, spawner.user.name):
            raise web.HTTPError(503, "Too many are waiting already. Try again later, or start without a GPU.")
        self.redirect(url_path_join(self.hub.base_url, "spawn", spawner.user.escaped_name))

    def _spawner(self, user_name: str) -> ClassroomSpawner:
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404, f"No such user: {user_name}")
        if not isinstance(user.spawner, ClassroomSpawner) or not user.spawner.may_queue:
            raise web.HTTPError(404, "Nobody waits for a GPU here.")
        return user.spawner
