"""Start of the hub and the proxy from settings."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.db.state_lock import refuse_unfinished_restore
from classroom.errors import ClassroomError
from classroom.hub.proxy_command import proxy_command, proxy_environment
from classroom.secrets import load_or_create, load_or_create_proxy_token
from classroom.settings.file import load_settings
from classroom.settings.parts import part

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.settings.models import Settings


def run_hub(settings_file: Path, tell: Callable[[str], None]) -> None:
    """Upgrade the database to this version, then run the hub until a signal stops it.

    Args:
        settings_file: the class's.
        tell: called with what an operator should know of the start.

    Raises:
        ClassroomError: wrong settings or secrets, the port is taken, or the database is of a newer version.
    """
    settings = load_settings(settings_file)
    load_or_create(settings.paths.state)
    _check_port(settings.hub.listen)
    refuse_unfinished_restore(settings.paths.state)
    from classroom.db.upgrade import prepare_database  # noqa: PLC0415 - takes a second to import

    if copy := prepare_database(settings.paths.state):
        tell(
            f"The database was migrated from {copy.revisions} to this version. Copy of the old one: {copy.file} "
            "(to go back: classroom upgrade rollback)"
        )
    os.environ["CLASSROOM_SETTINGS"] = str(settings_file.resolve())
    # JupyterHub writes files next to its database only, but some libraries use the directory they are started in.
    os.chdir(settings.paths.state)
    # A program that a script starts with & ignores SIGINT. The hub's services would inherit that, but SIGINT stops
    # them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from classroom.hub.app import ClassroomHub  # noqa: PLC0415 - as above

    config = Path(__file__).with_name("jupyterhub_config.py")
    ClassroomHub.launch_instance([f"--config={config}"])


def run_proxy(settings_file: Path) -> None:
    """Replace this process by the proxy.

    Raises:
        ClassroomError: wrong settings or secrets, the port is taken, or the program is missing.
    """
    settings = part(load_settings(settings_file), "proxy")
    token = load_or_create_proxy_token(settings.paths.state)
    _clear(settings)
    line = proxy_command(settings.proxy, hub_url(settings), by_host=settings.site.origins != "one")
    program = shutil.which(line[0])
    if not program:
        raise ClassroomError(f"{line[0]}: not found; install configurable-http-proxy or name it in proxy.command")
    os.execve(program, line, proxy_environment(os.environ, token))  # noqa: S606 - no shell


def hub_url(settings: Settings) -> str:
    """Return the hub's URL for the proxy and Nginx."""
    return f"http://{settings.hub.listen}"


def _clear(settings: Settings) -> None:
    """Remove sockets of a killed proxy, and check that its ports are free."""
    for listen in (settings.proxy.listen, settings.proxy.api):
        if not listen.startswith("unix:"):
            _check_port(listen)
            continue
        path = Path(listen.removeprefix("unix:"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ClassroomError(
                f"{path}: cannot be created ({error.strerror}); correct the directory's owner"
            ) from error


def _check_port(listen: str) -> None:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise ClassroomError(
                f"{listen}: cannot be listened on ({error.strerror}); stop what uses it or choose another port"
            ) from error
