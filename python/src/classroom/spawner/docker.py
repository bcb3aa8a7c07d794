"""Students' servers in containers. The engine is the record: a server is gone when the engine says so, not before."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker.errors
from dockerspawner import DockerSpawner
from jupyterhub.spawner import SpawnException
from traitlets import Instance, Tuple, Unicode

from classroom.accounts.groups import account_gpu_settings, account_settings
from classroom.accounts.homes import home_location
from classroom.docker.client import Engine, EngineAwayError, engine_at, is_about_devices, missing_folder
from classroom.docker.container import GROUPS, LABEL, MPS, PORT, Order, create_arguments
from classroom.errors import ClassroomError
from classroom.gpus import queue
from classroom.gpus.allocation import Busy, Granted, NoGpu, student_limit
from classroom.gpus.leases import labels as lease_labels
from classroom.gpus.metrics import WAITED
from classroom.gpus.mps import client_environment
from classroom.gpus.snapshot import GpuSnapshot, forget_recent, look, may_queue, measured, wants_gpu
from classroom.gpus.text import MAY_START_WITHOUT, start_page
from classroom.settings.models import Settings
from classroom.spawner.readiness import answers
from classroom.storage.client import call_helper, copy_image_home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from classroom.settings.groups import StudentRules
    from classroom.settings.models import Gpu

_FILES_ARE_SAFE = "Your files are safe. Try again in a minute; if it stays like this, tell your instructor."

_PROGRESS_PAUSE = 0.3  # seconds
_CHOSEN = "You chose to start without a GPU."

_REMOVAL_CHECKS = 50
_REMOVAL_PAUSE = 0.2  # seconds
_ENGINE_PAUSE = 5.0  # seconds between two tries while the engine is away

_removals: dict[str, asyncio.Task[None]] = {}
"""Stops that wait for the engine, by the container's name. A new start ends the wait, or would itself be removed."""


async def _remove_when_back(engine: Engine, container: str) -> None:
    while True:
        try:
            await engine.call("remove_container", container, force=True)
        except EngineAwayError:
            await asyncio.sleep(_ENGINE_PAUSE)
        except docker.errors.APIError:
            return  # gone, or going
        else:
            return


class ClassroomSpawner(DockerSpawner):
    """DockerSpawner whose containers follow `classroom.docker.container` and nothing that a student sent."""

    settings = Instance(Settings, config=True, help="The class's settings.")
    stage = Tuple((0, "Waiting for the machine"), help="How far a start has come: percent, and in words.")
    container_ip = Unicode()

    @property
    def engine(self) -> Engine:
        """The class's engine."""
        return engine_at(self.settings.docker.host)

    @property
    def client(self) -> Any:  # noqa: ANN401 - docker-py is untyped
        """Upstream's name for the engine's client."""
        return self.engine.client

    async def docker(self, method: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """Upstream's way to call the engine, with our pool and our errors."""
        return await self.engine.call(method, *args, **kwargs)

    async def get_object(self) -> dict[str, Any] | None:
        """The container as the engine sees it; None when the engine says that there is none.

        Upstream also takes a 500 of the engine for "gone", and then forgets a server that runs.
        """
        try:
            found: dict[str, Any] = await self.docker("inspect_container", self.container_name)
        except docker.errors.NotFound:
            self.object_id = ""
            return None
        self.object_id = found["Id"]
        return found

    async def poll(self) -> int | str | None:
        """None while the server runs, or may run because the engine does not answer."""
        try:
            return await super().poll()
        except (EngineAwayError, docker.errors.APIError) as error:
            self.log.warning("%s: taken as running, since %s", self._log_name, error)
            return None

    @property
    def rules(self) -> StudentRules:
        """What holds for this student now, by the groups that they are in."""
        return account_settings(self.db, self.settings, [self.user.name])[self.user.name]

    @property
    def may_queue(self) -> bool:
        """Whether this student may find all GPUs in use."""
        return may_queue(self.rules.gpu, self.settings)

    async def look_at_gpus(self, gpu: Gpu | None = None, *, recent: bool = False) -> GpuSnapshot:
        """The GPUs as this student finds them.

        Args:
            gpu: the student's rules; those that hold now unless told.
            recent: as in `classroom.gpus.snapshot.look`.
        """
        mine = gpu or self.rules.gpu
        return await look(
            self.engine,
            mine,
            self.db,
            self.container_name,
            self._rules_of_others,
            settings=self.settings,
            recent=recent,
        )

    def _rules_of_others(self, names: Collection[str]) -> Mapping[str, Gpu]:
        return account_gpu_settings(self.db, self.settings, [name for name in names if name != self.user.name])

    async def get_options_form(self) -> str:
        """What the start page asks: nothing, so that one click starts the server, unless there is no GPU now."""
        gpu = self.rules.gpu
        if not may_queue(gpu, self.settings):
            return ""
        student = self.user.name
        try:
            view = await self.look_at_gpus(gpu)
        except (ClassroomError, docker.errors.APIError) as error:
            self.log.warning("%s: the start itself says what is wrong: %s", self._log_name, error)
            return ""
        if isinstance(found := view.answer(student), Busy):
            urls = {what: f"{self.hub.base_url}{what}/{self.user.escaped_name}" for what in ("gpu-line", "spawn")}
            return start_page(await measured(view), student, found.reason, urls)
        return ""

    async def start(self) -> str:
        """Start the container and return its address.

        Raises:
            SpawnException: with what the student can do about it.
        """
        wanted = wants_gpu(self.user_options)
        # A choice is for one start. JupyterHub keeps it for the next ones too.
        self.orm_spawner.user_options = {}
        self.db.commit()
        if wanted is None:
            raise self._failure('A server has one option, gpu, and its one value is "no".', "options", status=400)
        holds = self.rules  # for the whole start, whatever changes meanwhile
        try:
            async with asyncio.timeout(self.settings.student.start_timeout):
                return await self._start(holds, wanted=wanted)
        except TimeoutError as error:
            raise self._failure("The server did not answer in time.", "timeout", error) from error
        except EngineAwayError as error:
            raise self._failure("The machine that runs the servers does not answer.", "engine-away", error) from error
        except docker.errors.ImageNotFound as error:
            raise self._failure(
                f"The image {holds.student.image} is not on this machine.", "image-missing", error
            ) from error
        except (ClassroomError, docker.errors.APIError) as error:
            if (folder := missing_folder(error)) in holds.shared:
                message = f"The shared folder {folder.name} is not on this machine."
                raise self._failure(message, "shared-folder-missing", error) from error
            raise self._failure("The server could not be started.", "engine-error", error) from error

    async def _start(self, holds: StudentRules, *, wanted: bool) -> str:
        self.stage = (10, "Making your container")
        self._forget_removal()  # what it was to remove is removed below, as a leftover
        home, is_empty = await self._home()
        # Looking and making in one: two who start at the same instant must not both see the same GPU free.
        async with self.engine.placing if may_queue(holds.gpu, self.settings) else nullcontext():
            found = (await self.look_at_gpus(holds.gpu)).answer(self.user.name) if wanted else NoGpu(_CHOSEN)
            if isinstance(found, Busy):
                raise self._failure(f"{found.reason} {MAY_START_WITHOUT}", "gpus-in-use")
            await self._create(found, home, holds)
            forget_recent(self.engine)
            self.user.settings["app"].notices.started(self.user.name)
            waited = queue.leave_queue(self.db, self.user.name)
            if waited is not None and isinstance(found, Granted):
                WAITED.observe(waited)
        if is_empty:
            await copy_image_home(self.engine, holds.student.image, self.object_id)
        self.stage = (30, "Starting your container")
        try:
            await self.docker("start", self.object_id)
        except docker.errors.APIError as error:
            if isinstance(found, NoGpu) or not is_about_devices(error):
                raise
            self.log.exception("%s: without a GPU, since the engine cannot attach %s", self._log_name, found)
            await self.remove_object()
            await self._create(NoGpu("The GPU could not be attached. Tell your instructor."), home, holds)
            await self.docker("start", self.object_id)
        self.stage = (60, "Starting JupyterLab")
        url = await self.running_url()
        if not url or not await answers(f"{url}{self.server.base_url}api", self._is_gone):
            raise self._failure("The server stopped at once.", "died")
        return url

    @property
    def location(self) -> str:
        """What the student's home is called; recorded when asked for the first time."""
        return home_location(self.db, self.user.name, self.escaped_name, self.settings.docker.prefix)

    async def _home(self) -> tuple[str, bool]:
        """The home as a container's mount names it, and whether its first files are still to come."""
        location = self.location
        storage = self.settings.storage
        if storage.path is None:
            return location, False  # the engine makes the volume and fills it
        try:
            made = await call_helper(storage.helper, "make", location)
        except ClassroomError as error:
            raise self._failure("Your home cannot be reached now.", "storage", error) from error
        return str(storage.path / location), bool(made["empty"])

    async def _create(self, gpus: Granted | NoGpu, home: str, holds: StudentRules) -> None:
        environment = self.get_env()
        names, identities = (gpus.names, gpus.identities) if isinstance(gpus, Granted) else ((), ())
        if isinstance(gpus, NoGpu):
            self.log.info("%s starts without a GPU: %s", self._log_name, gpus.reason)
            self.stage = (20, f"Starting without a GPU. {gpus.reason}")
            environment["CLASSROOM_NO_GPU"] = gpus.reason
        order = Order(
            name=self.container_name,
            user=self.user.name,
            home=home,
            environment=environment,
            devices=names,
            shared=holds.shared,
            labels=lease_labels(names, identities, holds.gpu.policy, student_limit(holds.gpu))
            | {GROUPS: ",".join(holds.groups)},
        )
        if names and holds.gpu.uses_mps:
            await self._make_client(order, holds)
        else:
            await self._make(order, holds)

    async def _make_client(self, order: Order, holds: StudentRules) -> None:
        """Make a container whose programs run by CUDA's Multi-Process Service; without it where it has never run."""
        mps = holds.gpu.mps
        count = 0 if any(name.endswith("=all") for name in order.devices) else len(order.devices)
        environment = {**order.environment, **client_environment(mps, MPS, count)}
        try:
            await self._make(replace(order, environment=environment, mps=mps), holds)
        except docker.errors.APIError as error:
            if missing_folder(error) not in {mps.pipes, mps.shared_memory}:
                raise
            self.log.warning("%s: without CUDA MPS, which has not run here: start it", self._log_name)
            await self._make(order, holds)

    async def _make(self, order: Order, holds: StudentRules) -> None:
        arguments = create_arguments(order, holds.student, self.settings.network)
        try:
            created = await self.docker("create_container", **arguments)
        except docker.errors.APIError as error:
            if error.status_code != 409:
                raise
            await self._remove_leftover()
            created = await self.docker("create_container", **arguments)
        self.object_id = created["Id"]

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Tell the waiting page how far it is. The hub ends this when the start has ended."""
        told = None
        while True:
            if self.stage != told:
                told = self.stage
                yield {"progress": told[0], "message": told[1]}
            await asyncio.sleep(_PROGRESS_PAUSE)

    async def running_url(self) -> str | None:
        """Where the server listens, from the engine; None if there is no such container."""
        found = await self.get_object()
        if not found:
            return None
        address = found["NetworkSettings"]["Networks"][self.settings.network.name]["IPAddress"]
        return f"http://{address}:{PORT}"

    async def _is_gone(self) -> bool:
        return await self.poll() is not None

    async def _remove_leftover(self) -> None:
        """Remove a container of our name that no hub knows of: its hub was killed before it could say so."""
        found = await self.get_object()
        if found and found["Config"]["Labels"].get(LABEL + "user") != self.user.name:
            raise ClassroomError(
                f"a container named {self.container_name} is there that is not this class's; remove it"
            )
        self.log.warning("Removing %s, left over from an earlier start", self.container_name)
        await self.remove_object()
        # The engine may still be at it: `auto_remove` works beside us.
        for _ in range(_REMOVAL_CHECKS):
            if not await self.get_object():
                return
            await asyncio.sleep(_REMOVAL_PAUSE)

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 - upstream's signature
        """Stop the server. While the engine is away this is remembered and done when it is back."""
        container = self.object_id or self.container_name
        try:
            await super().stop(now=now)
        except EngineAwayError as error:
            self.log.warning("%s: stopped when the engine is back, since %s", self._log_name, error)
            self._forget_removal()
            _removals[self.container_name] = asyncio.create_task(_remove_when_back(self.engine, container))

    def _forget_removal(self) -> None:
        if task := _removals.pop(self.container_name, None):
            task.cancel()

    async def stop_object(self) -> None:
        """Stop the container; killed when it takes longer than the settings allow."""
        try:
            await self.docker("stop", self.container_name, timeout=self.settings.student.stop_timeout)
        except docker.errors.NotFound:
            self.log.debug("%s is already gone", self.container_name)

    async def remove_object(self) -> None:
        """Remove what `auto_remove` may not have removed yet. Homes are volumes or folders: they stay."""
        try:
            await self.docker("remove_container", self.container_name, force=True)
        except docker.errors.APIError as error:
            if error.status_code not in {404, 409}:
                raise

    def _failure(self, message: str, reason: str, error: Exception | None = None, status: int = 503) -> SpawnException:
        failure = SpawnException(
            f"{message} {_FILES_ARE_SAFE}",
            reason=reason,
            status_code=status,
            log_message=f"{self._log_name}: {reason}: {error}" if error else f"{self._log_name}: {reason}",
        )
        failure.jupyterhub_message = failure.message  # what upstream shows where it does not know a SpawnException
        return failure
