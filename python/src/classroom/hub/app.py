"""The hub application, JupyterHub with a start that keeps students' servers."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlparse

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from tornado.ioloop import PeriodicCallback
from tornado.web import Application
from traitlets import Instance

from classroom.accounts.service import find_account
from classroom.audit import events
from classroom.audit.events import THE_HUB, Action
from classroom.audit.log import AuditFile, AuditLog
from classroom.docker.client import EngineAwayError, shared_engine
from classroom.docker.container import LABEL
from classroom.errors import NoSpaceError, no_space_reason
from classroom.gpus.autostart import Autostart
from classroom.gpus.controller import GpuController
from classroom.gpus.scheduler import GpuScheduler
from classroom.hub.log import UnknownNames
from classroom.hub_api import HUB_AGENT, HubClient
from classroom.notices import NoticeBoard
from classroom.settings.groups import offers_gpus
from classroom.settings.models import Settings
from classroom.spawner.deaths import watch_deaths
from classroom.spawner.docker import ClassroomSpawner
from classroom.spawner.endings import Endings
from classroom.storage.client import StorageMonitor
from classroom.web.full_disk import tell_full_disk
from classroom.web.pages.base import template_vars
from classroom.web.requester import requester_of
from classroom.web.routes import ROUTES, SERVER_ROUTES

if TYPE_CHECKING:
    from jupyterhub.user import User

    from classroom.docker.image_progress import ImageProgress

_HOUR = 3_600_000  # milliseconds
_START_PAUSE = 2.0  # seconds between two tries while the engine is away

_MAX_BODY = 4 * 1024**2  # bytes; the largest request of the class is a list of accounts
"""Requests for students' servers that do not run come to the hub, and uploads of any size are among them."""

_starts = ThreadPoolExecutor(64, thread_name_prefix="start")
"""Their own: a start needs asyncio's threads to come to an end, and would wait for those that wait for it."""


class HubApplication(Application):
    """Tornado's application. Each of its requests names the audit log who made it."""

    def get_handler_delegate(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as upstream's
        """Return what handles a request."""
        delegate = super().get_handler_delegate(*args, **kwargs)
        delegate.handler_class = tell_full_disk(delegate.handler_class)
        events.begin_request(lambda: requester_of(delegate.handler))
        return delegate


class ClassroomHub(JupyterHub):
    """A hub that restarts without a student noticing."""

    class_settings = Instance(Settings, config=True, help="The class's settings.")

    notices: NoticeBoard
    """Notices to students."""
    gpu_scheduler: GpuScheduler | None = None
    """The scheduler of the class's GPUs; None where servers are processes."""
    autostart: Autostart
    """Starts servers for the GPU queue."""
    _watcher: asyncio.Task[None] | None = None
    _gpu_controller: asyncio.Task[None] | None = None
    _deaths: asyncio.Task[None] | None = None
    _pruning: PeriodicCallback | None = None
    _storage: StorageMonitor | None = None

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self.notices = NoticeBoard()

    @cached_property
    def endings(self) -> Endings:
        """Return why servers ended."""
        return Endings(self.class_settings.paths.state / "ended-servers")

    async def initialize(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        """Prepare all that the hub serves. End with the reason if the disk takes no data: each start writes tokens."""
        try:
            await super().initialize(*args, **kwargs)
        except Exception as error:
            if not (reason := no_space_reason(error)):
                raise
            self.log.critical("The hub cannot start. %s Free space. Students' servers go on meanwhile.", reason)
            self.exit(NoSpaceError.exit_status)

    async def init_spawners(self) -> int:
        """Resume the servers that run.

        Upstream stops every server that does not answer in time, and every one in an unknown state: a hub that starts
        while the engine is away, or while the machine is busy, would end every student's work. Here only the engine
        decides, and until it answers a server counts as running.

        Returns:
            the number of servers that were checked.
        """
        records = self.db.query(orm.Spawner).filter(orm.Spawner.server != None).all()  # noqa: E711 - SQLAlchemy's way
        servers = [(self.users[record.user], record.name) for record in records]
        for user, name in servers:
            user.spawners[name]._check_pending = True  # noqa: SLF001 - as upstream: nobody may start it meanwhile
        await asyncio.gather(*(self._resume_server(user, name) for user, name in servers))
        if issubclass(self.spawner_class, ClassroomSpawner):
            self._orphans = asyncio.create_task(self._remove_orphans())
        self.db.commit()
        return len(servers)

    async def _resume_server(self, user: User, name: str) -> None:
        spawner = user.spawners[name]
        try:
            has_stopped = await spawner.poll() is not None
            if not has_stopped and isinstance(spawner, ClassroomSpawner):
                await self._update_address(spawner)
        except Exception:
            self.log.exception("%s could not be checked, so it counts as running", spawner._log_name)  # noqa: SLF001
            has_stopped = False
        if has_stopped:
            self.log.warning("%s stopped while the hub was away", spawner._log_name)  # noqa: SLF001
            events.record(Action.SERVER_ENDED, user.name, by=THE_HUB, detail="while the hub was away")
            await self._forget(user, name)
        else:
            spawner.add_poll_callback(self._stopped, user, name)
            spawner.start_polling()
        spawner._check_pending = False  # noqa: SLF001

    async def _update_address(self, spawner: ClassroomSpawner) -> None:
        """Ask the engine where the server listens: a hub that was killed during a start does not know it yet."""
        while True:
            try:
                url = await spawner.running_url()
            except EngineAwayError:
                if spawner.server.ip:
                    return
                await asyncio.sleep(_START_PAUSE)
            else:
                if url:
                    parts = urlparse(url)
                    spawner.server.ip, spawner.server.port = parts.hostname, parts.port
                    self.db.commit()
                return

    async def _stopped(self, user: User, name: str) -> None:
        self.log.warning("%s's server stopped", user.name)
        events.record(Action.SERVER_ENDED, user.name, by=THE_HUB)
        await self.proxy.delete_user(user, name)
        await self._forget(user, name)

    async def _died(self, name: str) -> None:
        """Take the route away from a server that has ended by itself; a start or stop in progress goes on.

        Args:
            name: of the student; empty: look at all servers.
        """
        users = [self._find(name)] if name else list(self.users.values())
        spawners = [user.spawner for user in users if user is not None and user.active]
        await asyncio.gather(*(spawner.poll_and_notify() for spawner in spawners if not spawner.pending))

    async def _forget(self, user: User, name: str) -> None:
        try:
            await user.stop(name)
        except Exception:
            self.log.exception("%s's server could not be removed", user.name)

    async def _remove_orphans(self) -> None:
        """Remove containers of this class that no server record knows: their hub was killed while it stopped them.

        Homes stay. A container without a record has no valid token: nobody can reach it.
        """
        settings = self.class_settings
        engine = shared_engine(settings.docker.hub_host)
        filters = {"label": [LABEL + "user", f"{LABEL}network={settings.network.name}"]}
        while True:
            try:
                containers: list[dict[str, Any]] = await engine.call("containers", all=True, filters=filters)
                break
            except EngineAwayError:
                await asyncio.sleep(_START_PAUSE)
        for container in containers:
            name = container["Labels"][LABEL + "user"]
            record = orm.User.find(self.db, name)
            if not (record and any(spawner.server for spawner in record.orm_spawners.values())):
                self.log.warning("Removing a container of %s that no server record knows", name)
                await engine.call("remove_container", container["Id"], force=True)

    def init_handlers(self) -> None:
        """Put our pages and API before JupyterHub's own of the same paths."""
        super().init_handlers()
        self.handlers[:0] = [
            *self.add_url_prefix(self.hub_prefix, list(ROUTES)),
            *self.add_url_prefix(self.base_url, list(SERVER_ROUTES)),
        ]

    def init_eventlog(self) -> None:
        """Begin the audit log."""
        super().init_eventlog()
        settings = self.class_settings
        file = AuditFile(settings.paths.state / "audit", settings.audit.keep)
        events.connect(AuditLog(self.eventlog, file, logging.StreamHandler()))

    def init_tornado_application(self) -> None:
        """Create the application of all pages and the API."""
        self.tornado_application = HubApplication(self.handlers, **self.tornado_settings)

    def init_tornado_settings(self) -> None:
        """Create the GPU scheduler, and set the variables of the templates."""
        if issubclass(self.spawner_class, ClassroomSpawner):
            engine = shared_engine(self.class_settings.docker.hub_host)
            self.gpu_scheduler = GpuScheduler(self.class_settings, engine, self.db)
        self.authenticator.forget_server = self.endings.forget
        self.log.addFilter(UnknownNames(lambda name: find_account(self.db, name) is not None))
        self.template_vars |= template_vars(self.db, self.class_settings.site.title)
        if issubclass(self.spawner_class, ClassroomSpawner):
            self.template_vars["classroom_gpu_problems"] = self._gpu_problems
            self.template_vars["classroom_storage_problems"] = self._storage_problems
            self.template_vars["classroom_gpus"] = offers_gpus(self.class_settings)
            # Functions, because instructors see the pages of others.
            self.template_vars["classroom_ending"] = lambda _user: self.endings.last
            self.template_vars["classroom_image_progress"] = lambda _user: self._image_progress
        super().init_tornado_settings()

    async def start_server(self, name: str) -> None:
        """Start a student's server by the hub's own API, which bounds, counts and shows it as one that they start.

        Raises:
            ClassroomError: the start was refused, or has failed already.
        """
        client = HubClient.of(self.class_settings, HUB_AGENT)
        path = f"users/{quote(name, safe='')}/server"
        await asyncio.get_running_loop().run_in_executor(_starts, client.post, path, {})

    def stage(self, name: str) -> str | None:
        """Return `pending` while a student's server starts or stops, `ready` while it runs; None without one."""
        user = self._find(name)
        if user is None or not user.spawner.active:
            return None
        return "pending" if user.spawner.pending else "ready"

    def _find(self, name: str) -> User | None:
        record = orm.User.find(self.db, name)
        return self.users[record] if record else None

    async def end_server(self, name: str, reason: str) -> bool:
        """Stop a student's server; its page says why. False if it starts or stops just now, or cannot be stopped."""
        user = self._find(name)
        if user is None or not user.spawner.active or user.spawner.pending:
            return False
        self.log.warning("%s's server is stopped. %s", name, reason)
        events.record(Action.SERVER_STOPPED, name, by=THE_HUB, detail=reason)
        self.notices.withdraw(name)
        user.spawner.ending = ("gpu", f"Your server was stopped. {reason} You can join the queue again.")
        await self.proxy.delete_user(user, "")
        await self._forget(user, "")
        return True

    def _image_progress(self, name: str) -> ImageProgress | None:
        user = self._find(name)
        return user.spawner.image_progress if user else None

    def _gpu_problems(self, user: User | None) -> tuple[str, ...]:
        if user is None or not getattr(user, "admin", False):
            return ()
        return self._all_gpu_problems()

    def _storage_problems(self, user: User | None) -> tuple[str, ...]:
        if user is None or not getattr(user, "admin", False):
            return ()
        return self._storage.problems if self._storage else ()

    def _all_gpu_problems(self) -> tuple[str, ...]:
        is_used = self.gpu_scheduler is not None and offers_gpus(self.class_settings)
        return self.gpu_scheduler.problems() if self.gpu_scheduler and is_used else ()

    async def start(self) -> None:
        """Start once the proxy answers, then keep its routes."""
        if issubclass(self.spawner_class, ClassroomSpawner):
            for problem in self._all_gpu_problems():
                self.log.error("GPUs: %s", problem)
            if self.class_settings.storage.kind == "directory":
                self._storage = StorageMonitor(self.class_settings.storage, self.log)
        self.autostart = Autostart(self.db, self, self.class_settings.gpu.offer)
        await self.proxy.wait_up()
        await super().start()
        self.http_server.conn_params.max_body_size = _MAX_BODY
        self._watcher = asyncio.create_task(self.proxy.watch())
        if issubclass(self.spawner_class, ClassroomSpawner):
            self._deaths = asyncio.create_task(watch_deaths(self.class_settings, self._died, self.log))
            self._pruning = PeriodicCallback(self.endings.prune, _HOUR)
            self._pruning.start()
        if self.gpu_scheduler is not None and offers_gpus(self.class_settings):
            controller = GpuController(
                self.class_settings,
                self.gpu_scheduler,
                self.db,
                notices=self.notices,
                autostart=self.autostart,
                stop=self.end_server,
            )
            self._gpu_controller = asyncio.create_task(controller.run())
