"""Whether the class runs: what changes its files from below must not happen then."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from classroom.settings.models import Settings

_PATIENCE = 2.0  # seconds


def hub_runs(settings: Settings) -> bool:
    """Whether something listens where the hub of these settings does."""
    host, _, port = settings.hub.listen.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def require_stopped_hub(settings: Settings, what: str) -> None:
    """Stop here if the hub runs.

    Args:
        settings: the class's.
        what: is to be done, as in "to restore a backup".

    Raises:
        ClassroomError: it runs.
    """
    if hub_runs(settings):
        raise ClassroomError(
            f"The hub runs (at {settings.hub.listen}) and has the database open: stop it {what} "
            "(systemctl stop classroom-hub), and start it again afterwards. Students' servers may go on."
        )
