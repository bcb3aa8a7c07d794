"""Detection of a running hub. Its files must not be changed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from classroom.settings.models import Settings

_PATIENCE = 2.0  # seconds


def hub_runs(settings: Settings) -> bool:
    """Return whether a server listens at the hub's address."""
    host, _, port = settings.hub.listen.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def require_stopped_hub(settings: Settings, what: str) -> None:
    """Raise an error if the hub runs.

    Args:
        settings: the class's.
        what: the intended action, as in "to restore a backup".

    Raises:
        ClassroomError: it runs.
    """
    if hub_runs(settings):
        raise ClassroomError(
            f"The hub runs (at {settings.hub.listen}) and has the database open: stop it {what} "
            "(systemctl stop classroom-hub), and start it again afterwards. Students' servers keep running."
        )
