"""The configuration of a student's server, from the environment that the spawner gives it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets.config import Config

from classroom.student.activity import CHATTER, OUTPUT

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
"""Server extensions, whatever the image's own configuration says of them. Its others are loaded as it says."""

_LONGEST_SOCKET = 107  # bytes: sun_path in unix(7), less its NUL
_SOCKET_NAME = len("/kernel-") + 36 + len("-ipc-99999")

_WELCOME = "Welcome.ipynb"


@dataclass(frozen=True)
class Surroundings:
    """What the configuration depends on."""

    home: Path
    runtime: Path
    """Sockets and keys: on the container's /tmp."""
    kernel_idle: int = 0
    """Seconds after which an idle kernel is stopped; 0 for never."""
    home_takes_writes: bool = True
    memory: int = 4096 * MIB
    """Bytes that the server and its kernels may use."""


def surroundings(environment: Mapping[str, str], *, home_takes_writes: bool, memory: int) -> Surroundings:
    """Read the environment.

    Raises:
        ValueError: CLASSROOM_KERNEL_IDLE is no number of seconds.
    """
    idle = environment.get("CLASSROOM_KERNEL_IDLE") or "0"
    if not idle.isdecimal():
        raise ValueError(f"CLASSROOM_KERNEL_IDLE is {idle!r}: write a number of seconds, or 0 to keep kernels for ever")
    return Surroundings(
        home=Path(environment["HOME"]),
        runtime=Path(environment["JUPYTER_RUNTIME_DIR"]),
        kernel_idle=int(idle),
        home_takes_writes=home_takes_writes,
        memory=memory,
    )


def default_url(home: Path) -> str:
    """Return the page to begin with: the welcome notebook the first time, what was open last from then on."""
    workspaces = home / ".jupyter" / "lab" / "workspaces"
    first = not (workspaces.is_dir() and any(workspaces.iterdir()))
    return f"/lab/tree/{_WELCOME}" if first and (home / _WELCOME).is_file() else "/lab"


def server_config(around: Surroundings) -> Config:
    """Return the configuration; what upstream's extension sets for every hub is not repeated here."""
    c = Config()
    _server(c, around)
    _kernels(c, around)
    _lab(c)
    if not around.home_takes_writes:
        _full_home(c, around)
    return c


def _server(c: Config, around: Surroundings) -> None:
    c.ServerApp.root_dir = str(around.home)
    # The spawner decides who the server runs as: root in a user namespace, or the demo's own user.
    c.ServerApp.allow_root = True
    # In memory only: upstream's file would outlive a password reset in a home (CVE-2026-40934).
    c.ServerApp.cookie_secret = secrets.token_bytes(32)
    # Lab sends files in parts of 1 MB; this bounds one part, and what others send at once (base64: 4/3 of the file).
    # Taking a body in needs seven times its size: more must not end the server, and every kernel with it.
    c.ServerApp.max_body_size = c.ServerApp.max_buffer_size = min(512 * MIB, around.memory // 10)
    # Proxies on the way cut what is silent for a minute. Jupyter pings kernels and terminals; this is for the others.
    c.ServerApp.websocket_ping_interval = 30
    c.ServerApp.websocket_ping_timeout = 30
    # Jupyter's own pings (ws_ping_timeout) stay as they are, though tornado says at each connection that they wait too
    # long: with a timeout that suits tornado, Jupyter ends every connection at the moment of its first ping.
    c.ServerApp.contents_manager_class = "classroom.student.contents.StudentContentsManager"
    c.ContentsManager.allow_hidden = False
    c.FileContentsManager.delete_to_trash = False
    c.ServerApp.terminals_enabled = True
    c.TerminalsExtensionApp.terminal_manager_class = "classroom.student.terminals.StudentTerminalManager"


def _kernels(c: Config, around: Surroundings) -> None:
    c.ServerApp.kernel_manager_class = "classroom.student.kernels.StudentKernelManager"
    c.ServerApp.kernel_spec_manager_class = "classroom.student.kernels.StudentKernelSpecManager"
    if len(os.fsencode(around.runtime)) + _SOCKET_NAME <= _LONGEST_SOCKET:
        # Sockets in a folder of the student's own: nothing but the server itself listens on the network.
        c.KernelManager.transport = "ipc"
    c.MappingKernelManager.untracked_message_types = sorted(CHATTER | OUTPUT)
    if around.kernel_idle > 0:
        c.MappingKernelManager.cull_idle_timeout = around.kernel_idle
        c.MappingKernelManager.cull_interval = max(1, min(60, around.kernel_idle // 4))
        # An open tab keeps its connection for days; what counts is work.
        c.MappingKernelManager.cull_connected = True
        c.MappingKernelManager.cull_busy = False


def _lab(c: Config) -> None:
    # No calls to the outside, and nothing that wants to write into the image.
    c.LabApp.news_url = None
    c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    c.LabApp.extension_manager = "readonly"
    # overrides.json and page_config.json: what Lab is like before a student changes it.
    c.LabApp.app_settings_dir = str(Path(__file__).parent / "lab")
    # Saves notebooks and says so before the hub stops the server.
    c.LabApp.extra_labextensions_path = [str(Path(__file__).parent / "lab" / "extensions")]


def _full_home(c: Config, around: Surroundings) -> None:
    # The key and the database by which notebooks are trusted: without them no notebook opens.
    c.NotebookNotary.data_dir = str(around.runtime)
    c.NotebookNotary.db_file = ":memory:"
