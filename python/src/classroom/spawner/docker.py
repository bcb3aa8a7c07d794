"""Docker spawner: students' servers in containers. A server has ended when the engine says so, not before."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker.errors
from jupyterhub import orm
from jupyterhub.spawner import SpawnException
from traitlets import Instance, Tuple, Unicode, default

from classroom.accounts.groups import account_settings
from classroom.accounts.homes import forget_home, home_location, recorded_home
from classroom.audit.events import Action, record
from classroom.docker.client import (
    Engine,
    EngineAwayError,
    is_device_error,
    is_network_missing,
    missing_mount_source,
    shared_engine,
)
from classroom.docker.container import GROUPS, LABEL, MPS, PORT, Order, container_address, create_arguments
from classroom.docker.features import Feature, missing_feature
from classroom.docker.image_progress import ImageProgress, read_progress
from classroom.docker.missing import request_images, request_network
from classroom.errors import ClassroomError
from classroom.gpus.allocation import Busy, Granted, NoGpu, may_queue, student_limit
from classroom.gpus.leases import lease_labels
from classroom.gpus.mps import client_environment
from classroom.gpus.text import WITHOUT_GPU, start_form_values
from classroom.settings.models import Settings
from classroom.spawner.readiness import answers
from classroom.spawner.recorded import RecordingSpawner
from classroom.storage.client import call_helper, copy_image_home
from classroom.storage.unmoved import read_unmoved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from ipaddress import IPv4Address

    from classroom.gpus.scheduler import GpuScheduler
    from classroom.gpus.snapshot import GpuSnapshot
    from classroom.settings.groups import StudentRules
    from classroom.settings.models import Gpu

_OWN_MISTAKE = "Your files are safe. Start the server with the button on the home page."
_FILES_ARE_SAFE = "Your files are safe. Try again in a minute; if it stays like this, tell your instructor."

_REFUSALS = frozenset({"options", "gpus-in-use", "image-loads"})

_PROGRESS_PAUSE = 0.3  # seconds

_REMOVAL_CHECKS = 50
_REMOVAL_PAUSE = 0.2  # seconds
_ENGINE_PAUSE = 5.0  # seconds between two tries while the engine is away
_NETWORK_PAUSE = 1.0  # seconds; `classroom network up` takes half of it

_removals: dict[str, asyncio.Task[None]] = {}
"""Removals that wait for the engine, by the container's name. A new start cancels them, or it would be removed, too."""


async def _remove_when_back(engine: Engine, container: str) -> None:
    while True:
        try:
            await engine.call("remove_container", container, force=True)
        except EngineAwayError:
            await asyncio.sleep(_ENGINE_PAUSE)
        except docker.errors.APIError:
            return  # removed, or being removed
        else:
            return


def options_from_form(form: Mapping[str, list[str]]) -> dict[str, object]:
    """Return the options of a start from the start page's form or a link; `wants_gpu` checks them."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items() if key != "_xsrf"}


def wants_gpu(options: Mapping[str, object]) -> bool | None:
    """Return whether the options of a start ask for a GPU; None if they are neither ``{"gpu": "no"}`` nor empty."""
    if not options:
        return True
    return False if dict(options) == {"gpu": "no"} else None


class ClassroomSpawner(RecordingSpawner):
    """DockerSpawner that creates containers by `classroom.docker.container` and by no request of a student."""

    settings = Instance(Settings, config=True, help="The class's settings.")
    stage = Tuple((0, "Waiting for the machine"), help="Progress of a start: percent and text.")
    container_ip = Unicode()

    @default("options_from_form")
    def _default_options_from_form(self) -> Callable[[Mapping[str, list[str]]], dict[str, object]]:
        return options_from_form

    @default("object_name")
    def _object_name_default(self) -> str:
        """Return the container's name. Each container can look up the names of all: they do not say who works."""
        return f"{self.prefix}-{self.user.id}"

    @property
    def engine(self) -> Engine:
        """Return the class's engine."""
        return shared_engine(self.settings.docker.hub_host)

    @property
    def client(self) -> Any:  # noqa: ANN401 - docker-py is untyped
        """Return the engine's client; the name is upstream's."""
        return self.engine.client

    async def docker(self, method: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """Call the engine as upstream does, with our pool and our errors."""
        return await self.engine.call(method, *args, **kwargs)

    async def get_object(self) -> dict[str, Any] | None:
        """Return the container as the engine sees it; None when the engine says that there is none.

        Upstream takes a status 500 of the engine for "gone", too, and then forgets a running server.
        """
        try:
            container: dict[str, Any] = await self.docker("inspect_container", self.container_name)
        except docker.errors.NotFound:
            self.object_id = ""
            return None
        self.object_id = container["Id"]
        return container

    async def poll(self) -> int | str | None:
        """Return None while the server runs, or while the engine does not answer."""
        try:
            return await super().poll()
        except (EngineAwayError, docker.errors.APIError) as error:
            self.log.warning("%s: counted as running, because %s", self._log_name, error)
            return None

    @property
    def current_rules(self) -> StudentRules:
        """Return the student's settings now, by current groups."""
        return account_settings(self.user.db, self.settings, [self.user.name])[self.user.name]

    @property
    def image_progress(self) -> ImageProgress | None:
        """Return the progress of the student's image while it loads; None otherwise."""
        images = read_progress(self.settings.paths.images)
        # Almost always nothing loads, and the rules cost a query of the database.
        return images.get(self.current_rules.student.image) if images else None

    @property
    def may_queue(self) -> bool:
        """Return whether this student may have to wait for a GPU."""
        return may_queue(self.current_rules.gpu, self.settings)

    @property
    def scheduler(self) -> GpuScheduler:
        """Return the hub's GPU scheduler."""
        scheduler: GpuScheduler = self.user.settings["app"].gpu_scheduler
        return scheduler

    async def gpu_snapshot(self, gpu: Gpu | None = None, *, recent: bool = False) -> GpuSnapshot:
        """Return the GPUs as this student finds them; `gpu` are the student's rules, by default the current ones."""
        return await self.scheduler.snapshot(
            self.user.name, gpu or self.current_rules.gpu, self.container_name, recent=recent
        )

    async def get_options_form(self) -> str:
        """Return the start page's form; empty, so that one click starts the server, if it can start now.

        Otherwise the image loads, or no GPU is free.
        """
        if progress := self.image_progress:
            return self._render("preparing_form.html", progress=progress, url=self._page("preparing"))
        gpu = self.current_rules.gpu
        if not may_queue(gpu, self.settings):
            return ""
        student = self.user.name
        try:
            snapshot = await self.gpu_snapshot(gpu)
        except (ClassroomError, docker.errors.APIError) as error:
            self.log.warning("%s: no form, the start itself will fail: %s", self._log_name, error)
            return ""
        allocation = snapshot.allocate(student)
        if not isinstance(allocation, Busy):
            return ""
        values = start_form_values(await snapshot.with_sample(), student, allocation.reason)
        return self._render("start_form.html", **values, queue_url=self._page("gpu-line"))

    def _render(self, template: str, **values: object) -> str:
        templates = self.user.settings["jinja2_env_sync"]
        form: str = templates.get_template(template).render(values, start_url=self._page("spawn"))
        return form

    def _page(self, name: str) -> str:
        return f"{self.hub.base_url}{name}/{self.user.escaped_name}"

    async def start(self) -> str:
        """Start the container and return its address.

        Raises:
            SpawnException: with what the student can do about it.
        """
        self.expect_no_ending()
        with_gpu = wants_gpu(self.user_options)
        # An option is for one start. JupyterHub would use it for the next ones, too.
        self.orm_spawner.user_options = {}
        self.user.db.commit()
        if with_gpu is None:
            raise self._failure('A server has one option, gpu, and its only value is "no".', "options", status=400)
        if progress := self.image_progress:
            raise self._failure(f"The class is being prepared. {progress}", "image-loads")
        rules = self.current_rules  # for this start, even if the groups change during it
        try:
            async with asyncio.timeout(self.settings.student.start_timeout):
                return await self._start(rules, with_gpu=with_gpu)
        except TimeoutError as error:
            raise self._failure("The server did not answer in time.", "timeout", error) from error
        except EngineAwayError as error:
            raise self._failure("The machine that runs the servers does not answer.", "engine-away", error) from error
        except docker.errors.ImageNotFound as error:
            self.log.warning("%s is missing. classroom doctor has the command that loads it", rules.student.image)
            request_images(self.settings.paths.state)
            raise self._failure(
                f"The image {rules.student.image} is not on this machine.", "image-missing", error
            ) from error
        except (ClassroomError, docker.errors.APIError) as error:
            if (folder := missing_mount_source(error)) in rules.shared:
                message = f"The shared folder {folder.name} is not on this machine."
                raise self._failure(message, "shared-folder-missing", error) from error
            if is_network_missing(error):
                message = f"The network of the servers, {self.settings.network.name}, is not on this machine."
                self.log.warning("%s To make it again, run as root: classroom network up", message)
                raise self._failure(message, "network-missing", error) from error
            if os.strerror(errno.ENOSPC).lower() in str(error).lower():
                raise self._failure("The disk of the machine is full.", "disk-full", error) from error
            raise self._failure("The server could not be started.", "engine-error", error) from error

    async def _start(self, rules: StudentRules, *, with_gpu: bool) -> str:
        self.stage = (10, "Creating your container")
        self._cancel_removal()  # the container is removed below, as a leftover
        allocating = self.scheduler.allocate(self.user.name, rules.gpu, self.container_name, with_gpu=with_gpu)
        async with allocating as allocation:
            if isinstance(allocation, Busy):
                raise self._failure(f"{allocation.reason} {WITHOUT_GPU}", "gpus-in-use")
            home, is_empty = await self._create_with_home(allocation, rules)
            self.user.settings["app"].notices.withdraw(self.user.name)
            if isinstance(allocation, Granted) and allocation.names:
                record(Action.LEASE, self.user.name, detail=", ".join(allocation.names))
        if is_empty:
            await copy_image_home(self.engine, rules.student.image, self.object_id, self.settings.network)
        self.stage = (30, "Starting your container")
        await self._start_container(allocation, home, rules)
        self.stage = (60, "Starting JupyterLab")
        url = await self.running_url()
        if not url or not await answers(f"{url}{self.server.base_url}api", self._is_gone):
            raise self._failure("The server stopped at once.", "died")
        return url

    async def _start_container(
        self, gpus: Granted | NoGpu, home: str, rules: StudentRules, tries: int = len(Feature) + 2
    ) -> None:
        """Start the container, or one without what the machine does not have: a feature, or the GPU."""
        try:
            await self.docker("start", self.object_id)
        except docker.errors.APIError as error:
            feature = missing_feature(str(error.explanation))
            if feature and tries:
                self.log.warning("The machine does not have %s (classroom doctor): %s", feature.value, error)
                self.engine.missing |= {feature}
            elif is_network_missing(error) and tries:
                request_network(self.settings.paths.state)
                await asyncio.sleep(_NETWORK_PAUSE)
            elif isinstance(gpus, Granted) and is_device_error(error):
                self.log.exception("%s: without a GPU, because the engine cannot attach %s", self._log_name, gpus)
                gpus = NoGpu("The GPU could not be attached. Tell your instructor.")
            else:
                raise
        else:
            return
        await self.remove_object()
        await self._create(gpus, home, rules)
        await self._start_container(gpus, home, rules, tries - 1)

    @property
    def location(self) -> str:
        """Return the name of the student's home, and record it at the first use."""
        return home_location(self.user.db, self.user.name, self.escaped_name, self.settings.docker.prefix)

    async def _home(self) -> tuple[str, bool]:
        """Return the home's volume or directory, and whether it still needs its first files."""
        location = self.location
        storage = self.settings.storage
        unmoved = read_unmoved(self.settings)
        if location in unmoved.locations:
            self.log.error("The home %s has not been moved yet; run as root: %s", location, unmoved.command)
            raise self._failure("Your home is being moved to another place.", "storage")
        if storage.path is None:
            return location, False  # the engine creates the volume and fills it
        action = "keep" if await self._has_volume(location) else "make"
        try:
            home = await call_helper(storage.helper, action, location)
        except ClassroomError as error:
            raise self._failure("Your home cannot be reached now.", "storage", error) from error
        return str(storage.path / location), bool(home["empty"])

    async def _has_volume(self, name: str) -> bool:
        """Return whether the engine has a volume with the name of a home: the class had volumes before."""
        try:
            await self.engine.call("inspect_volume", name)
        except docker.errors.NotFound:
            return False
        return True

    async def _create_with_home(self, gpus: Granted | NoGpu, rules: StudentRules) -> tuple[str, bool]:
        """Create the container, and return what `_home` does."""
        # The engine creates a volume with the container.
        comes_with_it = self.settings.storage.path is None and recorded_home(self.user.db, self.user.name) is None
        home, is_empty = await self._home()
        try:
            await self._create(gpus, home, rules)
        except BaseException:
            if comes_with_it:
                forget_home(self.user.db, self.user.name)
            raise
        return home, is_empty

    async def _create(self, gpus: Granted | NoGpu, home: str, rules: StudentRules) -> None:
        environment = self.get_env()
        # For the hub's cookie only: with it, the server's would be sent to the servers of others at the same host name.
        environment["JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED"] = "0"
        environment["JUPYTER_IMAGE_SPEC"] = rules.student.image  # upstream's is its own default
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
            shared=rules.shared,
            labels=lease_labels(names, identities, rules.gpu.policy, student_limit(rules.gpu))
            | {GROUPS: ",".join(rules.groups)},
            missing=self.engine.missing,
            address=self._free_address(),
        )
        if names and rules.gpu.uses_mps:
            await self._create_mps_client(order, rules)
        else:
            await self._create_container(order, rules)

    def _free_address(self) -> IPv4Address:
        """Return the address of this student, or the next one if the server of another has it."""
        servers = self.user.db.query(orm.Server.ip).join(orm.Spawner, orm.Spawner.server_id == orm.Server.id)
        used = {ip for (ip,) in servers.filter(orm.Spawner.user_id != self.user.id)}
        addresses = (container_address(self.settings.network, self.user.id + step) for step in range(len(used) + 1))
        return next(address for address in addresses if str(address) not in used)

    async def _create_mps_client(self, order: Order, rules: StudentRules) -> None:
        """Create a client of CUDA's Multi-Process Service; a container without it where the service has never run."""
        mps = rules.gpu.mps
        count = 0 if any(name.endswith("=all") for name in order.devices) else len(order.devices)
        environment = {**order.environment, **client_environment(mps, MPS, count)}
        try:
            await self._create_container(replace(order, environment=environment, mps=mps), rules)
        except docker.errors.APIError as error:
            if missing_mount_source(error) not in {mps.pipes, mps.shared_memory}:
                raise
            self.log.warning("%s: starting without CUDA MPS, which has not run here. Start it", self._log_name)
            await self._create_container(order, rules)

    async def _create_container(self, order: Order, rules: StudentRules) -> None:
        arguments = create_arguments(order, rules.student, self.settings.network)
        try:
            created = await self.docker("create_container", **arguments)
        except docker.errors.APIError as error:
            if error.status_code == 403 and order.missing:
                # A filter that has started again learns from the engine what is missing.
                self.engine.missing = frozenset()
                await self._create_container(replace(order, missing=frozenset()), rules)
                return
            if error.status_code != 409:
                raise
            await self._remove_leftover()
            created = await self.docker("create_container", **arguments)
        self.object_id = created["Id"]

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the progress for the waiting page. The hub ends this generator after the start."""
        last = None
        while True:
            if self.stage != last:
                last = self.stage
                yield {"progress": last[0], "message": last[1]}
            await asyncio.sleep(_PROGRESS_PAUSE)

    async def running_url(self) -> str | None:
        """Return the server's URL by the engine; None if there is no such container."""
        container = await self.get_object()
        if not container:
            return None
        address = container["NetworkSettings"]["Networks"][self.settings.network.name]["IPAddress"]
        return f"http://{address}:{PORT}"

    async def _is_gone(self) -> bool:
        return await self.poll() is not None

    async def _remove_leftover(self) -> None:
        """Remove a container of our name that no hub knows: its hub was killed before it could record it."""
        container = await self.get_object()
        if container and container["Config"]["Labels"].get(LABEL + "user") != self.user.name:
            raise ClassroomError(
                f"another container has the name {self.container_name} and is not of this class; remove it"
            )
        self.log.warning("Removing %s, left over from an earlier start", self.container_name)
        await self.remove_object()
        # The engine may still remove it: containers of earlier versions had `auto_remove`.
        for _ in range(_REMOVAL_CHECKS):
            if not await self.get_object():
                return
            await asyncio.sleep(_REMOVAL_PAUSE)

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 - upstream's signature
        """Stop the server, or do it as soon as the engine answers again."""
        container = self.object_id or self.container_name
        try:
            await super().stop(now=now)
        except EngineAwayError as error:
            self.log.warning("%s: stopped as soon as the engine answers, because %s", self._log_name, error)
            self._cancel_removal()
            _removals[self.container_name] = asyncio.create_task(_remove_when_back(self.engine, container))

    def _cancel_removal(self) -> None:
        if task := _removals.pop(self.container_name, None):
            task.cancel()

    async def remove_object(self) -> None:
        """Remove the container. The home stays: it is a volume or a directory."""
        try:
            await self.docker("remove_container", self.container_name, force=True)
        except docker.errors.APIError as error:
            if error.status_code not in {404, 409}:
                raise

    def _failure(self, message: str, reason: str, error: Exception | None = None, status: int = 503) -> SpawnException:
        technical = f"{reason}: {error}" if error else reason
        self.expect_failure(f"Your server could not start. {message}", technical, is_refusal=reason in _REFUSALS)
        failure = SpawnException(
            f"{message} {_FILES_ARE_SAFE}" if status >= 500 else f"{message} {_OWN_MISTAKE}",
            reason=reason,
            status_code=status,
            log_message=f"{self._log_name}: {technical}",
        )
        failure.jupyterhub_message = failure.message  # upstream shows it where it does not know a SpawnException
        return failure
