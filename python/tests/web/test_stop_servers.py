from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

from classroom.gpus import queue
from classroom.web.stop_servers import stop_servers

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def test_a_closed_account_leaves_the_gpu_queue(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    asyncio.run(stop_servers(SimpleNamespace(db=db), SimpleNamespace(name="ada", spawners={})))
    assert [entry.name for entry in queue.read_queue(db)] == ["ben"]
