"""Configuration of a student's server, from the environment that the spawner sets."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from classroom.student.activity import BACKGROUND_MESSAGES, OUTPUT_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024**2

EXTENSIONS = {
    "classroom.student": True,
    "jupyterlab": True,
    "jupyter_server_terminals": True,
    # Both cost start time. No language server is in the image; the shim is for the configuration of Notebook 6.
    "jupyter_lsp": False,
    "notebook_shim": False,
}
"""Server extensions and whether they are loaded. For others the image's own configuration decides."""

OWN_EXTENSIONS = str(Path(__file__).parent / "lab" / "extensions")
"""Directory of our extensions of JupyterLab."""

_LONGEST_SOCKET = 107  # bytes: sun_path in unix(7), less its NUL
_SOCKET_NAME = len("/kernel-") + 36 + len("-ipc-99999")

_WELCOME = "Welcome.ipynb"


@dataclass(frozen=True)
class ServerEnvironment:
    """Input of the configuration."""

    home: Path
    runtime: Path
    """Directory of sockets and keys, on the container's /tmp."""
    kernel_idle: int = 0
    """Seconds after which an idle kernel is stopped; 0 for never."""
    home_is_writable: bool = True
    memory: int = 4096 * MIB
    """Bytes that the server and its kernels may use."""


def read_environment(variables: Mapping[str, str], *, home_is_writable: bool, memory: int) -> ServerEnvironment:
    """Return the input that these variables hold.

    Raises:
        ValueError: CLASSROOM_KERNEL_IDLE is not a number of seconds.
    """
    idle = variables.get("CLASSROOM_KERNEL_IDLE") or "0"
    if not idle.isdecimal():
        raise ValueError(f"CLASSROOM_KERNEL_IDLE is {idle!r}: write a number of seconds, or 0 to never stop kernels")
    return ServerEnvironment(
        home=Path(variables["HOME"]),
        runtime=Path(variables["JUPYTER_RUNTIME_DIR"]),
        kernel_idle=int(idle),
        home_is_writable=home_is_writable,
        memory=memory,
    )


def default_url(home: Path) -> str:
    """Return the first page: the welcome notebook at the first start, later what was open last."""
    workspaces = home / ".jupyter" / "lab" / "workspaces"
    try:
        first = not (workspaces.is_dir() and any(workspaces.iterdir()))
        return f"/lab/tree/{_WELCOME}" if first and (home / _WELCOME).is_file() else "/lab"
    except OSError:
        return "/lab"


def server_config(environment: ServerEnvironment) -> Config:
    """Return the configuration, without the options that upstream's extension sets."""
    c = Config()
    _server(c, environment)
    _kernels(c, environment)
    _lab(c)
    if not environment.home_is_writable:
        _full_home(c, environment)
    return c


def _server(c: Config, environment: ServerEnvironment) -> None:
    c.ServerApp.root_dir = str(environment.home)
    # The spawner decides the user: root in a user namespace, or the user who runs the demo.
    c.ServerApp.allow_root = True
    # In memory only: upstream's file would outlive a password reset in a home (CVE-2026-40934).
    c.ServerApp.cookie_secret = secrets.token_bytes(32)
    # Lab sends files in parts of 1 MB; this limits one part, and whole files of other clients (base64: 4/3 of the
    # file). Reading a body takes seven times its size: a larger one could end the server, and every kernel with it.
    c.ServerApp.max_body_size = c.ServerApp.max_buffer_size = min(512 * MIB, environment.memory // 10)
    # A widget for uploads sends a file as one message. Above tornado's default of 10 MB, the connection of the kernel
    # closes without a word.
    message = max(10 * MIB, min(200 * MIB, environment.memory // 20))
    c.ServerApp.tornado_settings = {"websocket_max_message_size": message}
    # Proxies close connections that are silent for a minute. Jupyter pings kernels and terminals; this is for others.
    c.ServerApp.websocket_ping_interval = 30
    c.ServerApp.websocket_ping_timeout = 30
    # Jupyter's own pings (ws_ping_timeout) keep their defaults, though tornado warns at each connection that they wait
    # too long: with a timeout that suits tornado, Jupyter closes every connection at its first ping.
    c.ServerApp.contents_manager_class = "classroom.student.contents.StudentContentsManager"
    c.ContentsManager.allow_hidden = False
    c.FileContentsManager.delete_to_trash = False
    c.ServerApp.terminals_enabled = True
    # Upstream's default is the working directory; `paths.SERVER_DIRECTORY` is for the exporters that upstream makes
    # without this configuration.
    c.TemplateExporter.extra_template_basedirs = []
    c.TerminalsExtensionApp.terminal_manager_class = "classroom.student.terminals.StudentTerminalManager"


def _kernels(c: Config, environment: ServerEnvironment) -> None:
    c.ServerApp.kernel_manager_class = "classroom.student.kernels.StudentKernelManager"
    c.ServerApp.kernel_spec_manager_class = "classroom.student.kernels.StudentKernelSpecManager"
    if len(os.fsencode(environment.runtime)) + _SOCKET_NAME <= _LONGEST_SOCKET:
        # Sockets in the student's own directory: only the server itself listens on the network.
        c.KernelManager.transport = "ipc"
    c.MappingKernelManager.untracked_message_types = sorted(BACKGROUND_MESSAGES | OUTPUT_MESSAGES)
    if environment.kernel_idle > 0:
        c.MappingKernelManager.cull_idle_timeout = environment.kernel_idle
        c.MappingKernelManager.cull_interval = max(1, min(60, environment.kernel_idle // 4))
        # An open tab keeps its connection for days; what counts is work.
        c.MappingKernelManager.cull_connected = True
        c.MappingKernelManager.cull_busy = False


def _lab(c: Config) -> None:
    # No requests to the internet, and nothing that writes into the image.
    c.LabApp.news_url = None
    c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    c.LabApp.extension_manager = "readonly"
    # overrides.json and page_config.json: Lab's defaults, which a student can change.
    c.LabApp.app_settings_dir = str(Path(__file__).parent / "lab")
    # Saves notebooks and says so before the hub stops the server.
    c.LabApp.extra_labextensions_path = [OWN_EXTENSIONS]


def _full_home(c: Config, environment: ServerEnvironment) -> None:
    # Key and database of trusted notebooks: without them no notebook opens.
    c.NotebookNotary.data_dir = str(environment.runtime)
    c.NotebookNotary.db_file = ":memory:"
