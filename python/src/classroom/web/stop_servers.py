"""Stop of all servers of a closed account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from classroom.gpus import queue

if TYPE_CHECKING:
    from jupyterhub.handlers.base import BaseHandler


async def stop_servers(handler: BaseHandler, user: Any) -> None:  # noqa: ANN401 - jupyterhub.user.User has no types
    """Remove a user from the GPU queue and stop all their servers; one that is starting is stopped once it started."""
    queue.leave_queue(handler.db, user.name)
    for name, spawner in list(user.spawners.items()):
        starting = spawner._spawn_future  # noqa: SLF001 - JupyterHub's own handlers wait for it
        if spawner.pending == "spawn" and starting is not None:
            await asyncio.wait([starting])
        if spawner.active and not spawner.pending:
            await handler.stop_single_user(user, name)
