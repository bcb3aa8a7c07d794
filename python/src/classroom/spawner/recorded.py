"""Base of the Docker spawner that keeps, when a server ends, why it ended and the last lines of its log."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker.errors
from dockerspawner import DockerSpawner
from jupyterhub.utils import maybe_future

from classroom.audit import events
from classroom.audit.events import THE_HUB
from classroom.db.models import utc_now
from classroom.docker.client import EngineAwayError
from classroom.errors import ClassroomError
from classroom.spawner import reasons
from classroom.spawner.endings import LINES, Ending, log_end
from classroom.spawner.report import strip_escapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.docker.client import Engine
    from classroom.settings.models import Settings
    from classroom.spawner.endings import Endings


class RecordingSpawner(DockerSpawner):
    """DockerSpawner that removes a container only after its log has been read."""

    settings: Settings
    ending: tuple[str, str] | None = None
    """`why` and `text` of the ending that is about to come, from who causes it; None: it is found out."""
    _technical = ""
    """What the operator reads about a failed start."""
    _is_recorded = False

    @property
    def engine(self) -> Engine:
        """Return the class's engine."""
        raise NotImplementedError

    @property
    def endings(self) -> Endings:
        """Return where endings are kept."""
        endings: Endings = self.user.settings["app"].endings
        return endings

    def expect_no_ending(self) -> None:
        """Forget what a start that failed has left: this spawner starts again."""
        self.ending, self._technical, self._is_recorded = None, "", False

    def expect_failure(self, text: str, technical: str, *, is_refusal: bool) -> None:
        """Record, once the start is over, that it failed; of a refusal, such as "no GPU is free", nothing is kept."""
        self.ending, self._technical = ("refused" if is_refusal else "failed", text), f"{technical}\n"

    async def stop_object(self) -> None:
        """Stop the container; kill it when it takes longer than the settings allow. Keep the end of its log."""
        self.ending = self.ending or self._stopped_by()
        try:
            await self.docker("stop", self.container_name, timeout=self.settings.student.stop_timeout)
        except docker.errors.NotFound:
            self.log.debug("%s is already gone", self.container_name)
        await self._record_ending()

    async def run_post_stop_hook(self) -> None:
        """Record the ending of a server that the hub did not stop, and remove its container."""
        await maybe_future(super().run_post_stop_hook())
        if not self._is_recorded:
            await self._record_ending()
            with suppress(EngineAwayError):  # `stop`, or the next start, removes it
                await self.remove_object()

    async def _record_ending(self) -> None:
        self._is_recorded = True
        container, log = await self._last_words()
        why, text = self.ending or _as_sentence(*self._death(container))
        if why == "refused":
            return
        if why == "failed" and container and not container["State"]["Running"]:
            self._technical += f"The container ended: {self._death(container)[1]}.\n"
        ending = Ending(self.user.name, why, text, time.time(), self._technical + log_end(log))
        self.engine.signalled.discard(container["Id"] if container else "")
        try:
            self.endings.record(ending)
        except (OSError, ClassroomError) as error:
            self.log.warning("%s: why it ended is not kept: %s", self._log_name, error)
        if ending.is_problem:
            self.log.warning("%s: %s%s", self._log_name, text, ending.last_lines)

    async def _last_words(self) -> tuple[Mapping[str, Any] | None, str]:
        """Return the container as the engine describes it, and the end of its log; None and "" if it is gone."""
        try:
            container = await self.get_object()
            log: bytes = await self.docker("logs", self.container_name, tail=LINES) if container else b""
        except (EngineAwayError, docker.errors.APIError) as error:
            self.log.warning("%s: its log cannot be read: %s", self._log_name, error)
            return None, ""
        return container, strip_escapes(log.decode("utf-8", "replace"))

    def _death(self, container: Mapping[str, Any] | None) -> tuple[str, str]:
        is_signalled = container is not None and container["Id"] in self.engine.signalled
        return reasons.death(container, engine_away=self.engine.away, from_outside=is_signalled)

    def _stopped_by(self) -> tuple[str, str]:
        who = events.requester()[0] or THE_HUB
        if who == THE_HUB:
            return "hub", "The hub stopped your server."
        active = self.orm_spawner.last_activity or self.orm_spawner.started
        idle = (utc_now() - active).total_seconds() if active else 0
        return _as_sentence(*reasons.stop(who, self.user.name, idle, self.settings.culling.idle))


def _as_sentence(why: str, because: str) -> tuple[str, str]:
    return why, f"Your server has stopped, because {because}."
