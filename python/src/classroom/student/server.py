"""JupyterHub's single-user server extension, changed where a class needs it to be."""

from __future__ import annotations

import asyncio
import gc
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from jupyter_server.serverapp import ServerApp
from jupyterhub.httpclient import fetch
from jupyterhub.log import log_request
from jupyterhub.singleuser.extension import JupyterHubSingleUser, _fatal_errors
from tornado.log import app_log
from traitlets import default

from classroom.student import report
from classroom.student.activity import is_write, last_at_work
from classroom.student.config import EXTENSIONS, default_url, server_config, surroundings
from classroom.student.login import StudentIdentityProvider
from classroom.student.notice import NoticeHandler
from classroom.student.paths import memory, takes_writes
from classroom.student.terminals import ProcessorTime

if TYPE_CHECKING:
    from traitlets.config import Config

_FIRST_PAUSE = 1.0  # seconds
_LONGEST_PAUSE = 30.0  # seconds


def _read_config() -> Config:
    home = Path(os.environ["HOME"])
    writable = takes_writes(home / ".local" / "share" / "jupyter")
    if not writable:
        app_log.warning("The home takes no writes. If it is full: delete files in the file browser, then saving works.")
    return server_config(surroundings(os.environ, home_takes_writes=writable, memory=memory()))


class StudentServerApp(ServerApp):
    """The web server itself, less what it writes."""

    # An HTML file with the token in it, for a browser on the same machine.
    no_browser_open_file = True

    def start(self) -> None:
        """Serve until told to stop."""
        gc.freeze()
        gc.enable()
        super().start()

    def migrate_config(self) -> None:
        """Leave the home alone: upstream looks for files of IPython 3 and notes that it did; a full disk fails that."""


class StudentServer(JupyterHubSingleUser):
    """JupyterLab for one student."""

    serverapp_class = StudentServerApp
    _ours: ClassVar[Config]
    _written: datetime | None = None
    """When a file was last changed through the contents API."""
    _version_task: asyncio.Task[None] | None = None

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self._processor_time = ProcessorTime()

    @classmethod
    def get_extension_package(cls) -> str:
        """Name the package that `_jupyter_server_extension_points` is in; upstream takes the first part of the name."""
        return "classroom.student"

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> Any:  # noqa: ANN401 - upstream's signature
        """Make the server that this extension is put into."""
        # Code planted in a home must not be loaded by the server: it would be there again after a password reset.
        os.environ["JUPYTERHUB_DISABLE_USER_CONFIG"] = "1"
        # Here, for a mistake to end the process: an extension that fails is left out, and the hub's login with it.
        cls._ours = _read_config()
        return super().make_serverapp(**kwargs | {"jpserver_extensions": dict(EXTENSIONS)})

    @_fatal_errors
    def load_config_file(self) -> None:
        """Put our configuration beneath what upstream takes from the environment."""
        self.config.merge(self._ours)
        super().load_config_file()
        self.config.ServerApp.identity_provider_class = StudentIdentityProvider
        self.serverapp.update_config(self.config)

    def initialize(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        """Set up the extension, once the web application is there."""
        super().initialize(*args, **kwargs)
        self.serverapp.web_app.settings["log_function"] = self._log_request

    def initialize_handlers(self) -> None:
        """Have notebooks ask here what the hub has to say to them."""
        self.handlers.append((r"/api/classroom/notice", NoticeHandler, {"ask": self._ask_for_notice}))

    async def _ask_for_notice(self) -> Any:  # noqa: ANN401 - the hub's answer
        user = quote(os.environ["JUPYTERHUB_USER"], safe="")
        url = f"{self.hub_auth.api_url}/classroom/notices/{user}"
        token = {"Authorization": f"token {self.hub_auth.api_token}"}
        answer = await fetch(url, headers=token, **self.hub_http_client_opts)
        return await answer.json()

    @default("default_url")
    def get_default_url(self) -> str:
        """The page that a student sees first."""
        return os.environ.get("JUPYTERHUB_DEFAULT_URL") or default_url(Path(os.environ["HOME"]))

    def _log_request(self, handler: Any) -> None:  # noqa: ANN401 - tornado's handlers
        log_request(handler)
        request = handler.request
        if handler.get_status() < 400 and is_write(request.method, request.path, self.serverapp.base_url):
            self._written = datetime.now(UTC)

    async def check_hub_version(self) -> None:
        """Compare versions when the hub answers, not before the server does.

        Upstream waits for the hub here and exits after five tries. A hub that is being restarted must cost no server.
        """
        self._version_task = asyncio.ensure_future(self._check_hub_version())

    async def _check_hub_version(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = await fetch(self.hub_auth.api_url, **self.hub_http_client_opts)
            except Exception as error:  # noqa: BLE001 - refused, reset, timed out, 502 of a proxy: all mean "not yet"
                self.log.warning(
                    "The hub at %s does not answer (%r). It may be restarting: trying again in %g s.",
                    self.hub_auth.api_url,
                    error,
                    pause,
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._compare(answer.headers.get("X-JupyterHub-Version"))
                return

    def _compare(self, hub: str | None) -> None:
        if hub and hub.split(".")[:2] != self.version.split(".")[:2]:
            self.log.warning(
                "The hub runs JupyterHub %s, this image has %s. Logins may go in circles: rebuild the image.",
                hub,
                self.version,
            )

    def last_activity(self) -> datetime:
        """When the student was last at work; an open tab is not work, a cell or a program that runs is."""
        settings = self.serverapp.web_app.settings
        kernels = settings["kernel_manager"]
        terminals = settings.get("terminal_manager")  # an extension of its own, loaded after ours
        now = datetime.now(UTC)
        computing = terminals is not None and self._processor_time.busy(terminals.shells(), now)
        running = any(kernel["execution_state"] == "busy" for kernel in kernels.list_kernels())
        seen = [
            settings["started"],
            kernels.last_kernel_activity,
            self._written,
            getattr(terminals, "last_output", None),
        ]
        return last_at_work(now, running or computing, seen)

    async def keep_activity_updated(self) -> None:
        """Report to the hub in place of upstream, which counts every request of an open tab and no silent cell."""
        interval = float(os.environ.get("CLASSROOM_ACTIVITY_INTERVAL") or 60)
        if self.hub_activity_url and interval > 0:
            await report.keep_telling(self.last_activity, self._report, interval, self.log)

    async def _report(self, moment: datetime) -> None:
        await fetch(
            self.hub_activity_url,
            method="POST",
            headers={"Authorization": f"token {self.hub_auth.api_token}", "Content-Type": "application/json"},
            data=report.body(self.server_name, moment),
            **self.hub_http_client_opts,
        )

    async def stop_extension(self) -> None:
        """Stop the background tasks."""
        await super().stop_extension()
        if self._version_task:
            self._version_task.cancel()
