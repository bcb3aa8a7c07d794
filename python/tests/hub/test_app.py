from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from classroom.hub.app import ClassroomHub
from classroom.hub_api import HubClient


def test_automatic_starts_leave_threads_for_the_calls_that_they_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    client = SimpleNamespace(post=lambda _path, _data: done.wait(10))
    monkeypatch.setattr(HubClient, "of", lambda _settings, _agent: client)
    hub = cast("Any", SimpleNamespace(class_settings=None))

    async def scene() -> None:
        starts = [asyncio.create_task(ClassroomHub.start_server(hub, f"s{number}")) for number in range(50)]
        try:
            await asyncio.sleep(0)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: True), 5)
        finally:
            done.set()
            await asyncio.gather(*starts)

    asyncio.run(scene())
