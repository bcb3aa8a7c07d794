"""GPU pages: the instructors' overview, and the students' queue."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import docker.errors
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from classroom.db.models import utc_now
from classroom.errors import ClassroomError
from classroom.gpus.queue import join_queue, leave_queue
from classroom.gpus.report import make_report
from classroom.gpus.text import describe_reservation, queue_status
from classroom.settings.groups import gpu_rules, offers_gpus
from classroom.spawner.docker import ClassroomSpawner
from classroom.units import format_duration
from classroom.web.pages.base import Page

_ENGINE_ERRORS = (ClassroomError, docker.errors.APIError)


class GpuPage(Page):
    """The page /hub/gpus: devices, leases, queue, reservations and problems."""

    @web.authenticated
    @needs_scope("admin:users")
    async def get(self) -> None:
        """Show the GPUs as they are now."""
        hub = self.settings["app"]
        settings = hub.class_settings
        if hub.gpu_scheduler is None or not offers_gpus(settings):
            raise web.HTTPError(404, 'This class uses no GPUs: the setting gpu.policy is "none".')
        try:
            snapshot = await (await hub.gpu_scheduler.snapshot(advance=False)).with_sample()
        except _ENGINE_ERRORS as error:
            raise web.HTTPError(503, f"The machine that runs the servers does not answer: {error}") from error
        report = make_report(settings.gpu, snapshot.inventory, snapshot.leases, snapshot.sample, gpu_rules(settings))
        rows = [(row, _age(datetime.fromisoformat(row.since)) if row.since else "") for row in report.rows]
        queue = [
            (entry.name, _age(entry.joined.replace(tzinfo=UTC)), entry.offered is not None) for entry in snapshot.queue
        ]
        when = utc_now()
        reservations = [
            (describe_reservation(reservation, when), reservation.group or "instructors", reservation.made_by)
            for reservation in snapshot.reservations
        ]
        await self.send_page("gpus.html", report=report, rows=rows, queue=queue, reservations=reservations)


class QueuePage(Page):
    """A student's entry in the queue: `GET` sends its status, `POST` with `action` joins or leaves.

    The student and instructors may use it.
    """

    after_login = "/hub/home"

    @web.authenticated
    @needs_scope("servers")
    async def get(self, user_name: str) -> None:
        """Send the status as JSON, for the waiting page."""
        spawner = self._spawner(user_name)
        try:
            snapshot = await (await spawner.gpu_snapshot(recent=True)).with_sample()
        except _ENGINE_ERRORS as error:
            raise web.HTTPError(503, str(error)) from error
        name, hub = spawner.user.name, self.settings["app"]
        if self.current_user is not None and self.current_user.name == name:
            hub.notices.record_visit(name)
        self.set_header("Cache-Control", "no-store")
        status: dict[str, Any] = queue_status(snapshot, name)
        position = snapshot.position(name)
        if position is not None and status["turn"] and not hub.autostart.start(name, snapshot.queue[position].offered):
            status = {"waiting": False}  # the hub's start has failed: the start page says why
        self.finish(status)

    @web.authenticated
    @needs_scope("servers")
    async def post(self, user_name: str) -> None:
        """Join or leave the queue, and redirect to the start page or home."""
        spawner = self._spawner(user_name)
        action = self.field("action", "The button", 10)
        if action == "leave":
            leave_queue(spawner.user.db, spawner.user.name)
            self.redirect(url_path_join(self.hub.base_url, "home"))
            return
        if action != "join":
            raise web.HTTPError(400, "Use the buttons of the page.")
        if not spawner.active and not join_queue(spawner.user.db, spawner.user.name):
            raise web.HTTPError(503, "The queue is full. Try again later, or start without a GPU.")
        self.redirect(url_path_join(self.hub.base_url, "spawn", spawner.user.escaped_name))

    def _spawner(self, user_name: str) -> ClassroomSpawner:
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404, f"No such user: {user_name}")
        if not isinstance(user.spawner, ClassroomSpawner) or not user.spawner.may_queue:
            raise web.HTTPError(404, "This class has no queue for GPUs.")
        return user.spawner


def _age(moment: datetime) -> str:
    return format_duration(time.time() - moment.timestamp())
