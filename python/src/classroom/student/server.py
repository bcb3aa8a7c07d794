"""JupyterHub's single-user server extension with the changes that a class needs."""

from __future__ import annotations

import asyncio
import gc
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from jupyter_core.paths import jupyter_path
from jupyter_server.serverapp import ServerApp
from jupyterhub.httpclient import fetch
from jupyterhub.log import log_request
from jupyterhub.singleuser.extension import JupyterHubSingleUser, _fatal_errors
from tornado.log import app_log
from traitlets import default

from classroom.student import logins
from classroom.student.activity import activity_body, is_contents_write, last_work, report_activity
from classroom.student.config import EXTENSIONS, OWN_EXTENSIONS, default_url, read_environment, server_config
from classroom.student.exports import FormatsHandler, PdfHandler
from classroom.student.home_extensions import FILES, ExtensionFileHandler, add_to_page
from classroom.student.home_files import KERNEL_FILES, KernelFileHandler
from classroom.student.hub_client import LoginsHandler, NoticeHandler, StudentIdentityProvider
from classroom.student.log import drop_known_warnings
from classroom.student.paths import is_writable, memory_limit
from classroom.student.ports import limit_ports
from classroom.student.terminals import CpuTime

if TYPE_CHECKING:
    from traitlets.config import Config

_FIRST_PAUSE = 1.0  # seconds
_LONGEST_PAUSE = 30.0  # seconds


def _read_config() -> Config:
    home = Path(os.environ["HOME"])
    writable = is_writable(home / ".local" / "share" / "jupyter")
    if not writable:
        app_log.warning("The home is not writable. If it is full, delete files in the file browser; then saving works.")
    return server_config(read_environment(os.environ, home_is_writable=writable, memory=memory_limit()))


class StudentServerApp(ServerApp):
    """Upstream's web server, which writes fewer files."""

    # Upstream writes an HTML file with the token, for a browser on the same machine.
    no_browser_open_file = True

    def start(self) -> None:
        """Serve until told to stop."""
        gc.freeze()
        gc.enable()
        super().start()

    def migrate_config(self) -> None:
        """Do nothing: upstream looks for files of IPython 3 and writes that it did, which fails on a full disk."""


class StudentServer(JupyterHubSingleUser):
    """JupyterLab for one student."""

    serverapp_class = StudentServerApp
    _class_config: ClassVar[Config]
    _written: datetime | None = None
    """Time of the last change of a file through the contents API."""
    _version_task: asyncio.Task[None] | None = None

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        super().__init__(**kwargs)
        self._cpu_time = CpuTime()

    @classmethod
    def get_extension_package(cls) -> str:
        """Return the package of `_jupyter_server_extension_points`; upstream takes the first part of the name."""
        return "classroom.student"

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> Any:  # noqa: ANN401 - upstream's signature
        """Return the server of this extension."""
        # The server must not load code from the home: it would survive a password reset.
        os.environ["JUPYTERHUB_DISABLE_USER_CONFIG"] = "1"
        # An error here ends the process. Later, upstream would go on without this extension and the hub's login.
        cls._class_config = _read_config()
        drop_known_warnings()
        return super().make_serverapp(**kwargs | {"jpserver_extensions": dict(EXTENSIONS)})

    @_fatal_errors
    def load_config_file(self) -> None:
        """Apply our configuration before the one that upstream takes from the environment."""
        self.config.merge(self._class_config)
        super().load_config_file()
        self.config.ServerApp.identity_provider_class = StudentIdentityProvider
        self.serverapp.update_config(self.config)

    def initialize(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - upstream's signature
        """Set up the extension once the web application exists."""
        super().initialize(*args, **kwargs)
        settings = self.serverapp.web_app.settings
        settings["log_function"] = self._log_request
        # For the extension @classroom/notice, which refuses larger ones in words.
        page_config = settings.setdefault("page_config_data", {})
        page_config["classroomLargestMessage"] = settings["websocket_max_message_size"]
        limit_ports()
        upstream = settings["page_config_hook"]
        settings["page_config_hook"] = lambda handler, page: add_to_page(handler, upstream(handler, page))

    def initialize_handlers(self) -> None:
        """Add the addresses of notices for open notebooks and of ended logins, and replace some of upstream's."""
        self.handlers.append((f"/{logins.PATH}", LoginsHandler, {"provider": self.serverapp.identity_provider}))
        self.handlers.append((KERNEL_FILES, KernelFileHandler))
        image = [OWN_EXTENSIONS, *jupyter_path("labextensions")]
        self.handlers.append((FILES, ExtensionFileHandler, {"path": image, "no_cache_paths": ["/"]}))
        self.handlers.append((r"/api/nbconvert", FormatsHandler))
        self.handlers.append((r"/nbconvert/pdf/(?P<path>.*)", PdfHandler))
        self.handlers.append((r"/api/classroom/notice", NoticeHandler, {"fetch_notice": self._fetch_notice}))

    async def _fetch_notice(self) -> Any:  # noqa: ANN401 - the hub's answer
        user = quote(os.environ["JUPYTERHUB_USER"], safe="")
        url = f"{self.hub_auth.api_url}/classroom/notices/{user}"
        token = {"Authorization": f"token {self.hub_auth.api_token}"}
        answer = await fetch(url, headers=token, **self.hub_http_client_opts)
        return await answer.json()

    @default("default_url")
    def get_default_url(self) -> str:
        """Return the first page."""
        return os.environ.get("JUPYTERHUB_DEFAULT_URL") or default_url(Path(os.environ["HOME"]))

    def _log_request(self, handler: Any) -> None:  # noqa: ANN401 - tornado's handlers
        log_request(handler)
        request = handler.request
        if handler.get_status() < 400 and is_contents_write(request.method, request.path, self.serverapp.base_url):
            self._written = datetime.now(UTC)

    async def check_hub_version(self) -> None:
        """Compare versions in the background, when the hub answers.

        Upstream waits for the hub here and exits after five tries. A hub that restarts must not end a server.
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
                self._compare_versions(answer.headers.get("X-JupyterHub-Version"))
                return

    def _compare_versions(self, hub: str | None) -> None:
        if hub and hub.split(".")[:2] != self.version.split(".")[:2]:
            self.log.warning(
                "The hub runs JupyterHub %s, this image has %s. Logins may go in circles: rebuild the image.",
                hub,
                self.version,
            )

    def last_activity(self) -> datetime:
        """Return the time of the student's last work: a running cell or program counts, an open tab does not."""
        settings = self.serverapp.web_app.settings
        kernels = settings["kernel_manager"]
        terminals = settings.get("terminal_manager")  # another extension, loaded after ours
        now = datetime.now(UTC)
        computing = terminals is not None and self._cpu_time.is_busy(terminals.shells(), now)
        running = any(kernel["execution_state"] == "busy" for kernel in kernels.list_kernels())
        times = [
            settings["started"],
            kernels.last_kernel_activity,
            self._written,
            getattr(terminals, "last_output", None),
        ]
        return last_work(now, running or computing, times)

    async def keep_activity_updated(self) -> None:
        """Report activity to the hub. Upstream's report counts every request of an open tab and no silent cell."""
        interval = float(os.environ.get("CLASSROOM_ACTIVITY_INTERVAL") or 60)
        if self.hub_activity_url and interval > 0:
            await report_activity(self.last_activity, self._send_activity, interval, self.log)

    async def _send_activity(self, moment: datetime) -> None:
        await fetch(
            self.hub_activity_url,
            method="POST",
            headers={"Authorization": f"token {self.hub_auth.api_token}", "Content-Type": "application/json"},
            data=activity_body(self.server_name, moment),
            **self.hub_http_client_opts,
        )

    async def stop_extension(self) -> None:
        """Stop the background tasks."""
        await super().stop_extension()
        if self._version_task:
            self._version_task.cancel()
