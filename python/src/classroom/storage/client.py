"""The hub's side of the root helper."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 1 << 20  # bytes of an answer


async def ask(helper: Path, action: str, home: str | None = None, bound: float = 60) -> dict[str, Any]:
    """Ask the root helper.

    Args:
        helper: its socket.
        action: see `classroom.storage.helper`.
        home: the name of a home, for an action that takes one.
        bound: seconds.

    Raises:
        ClassroomError: nobody answers in time, or the answer says what is wrong.
    """
    request = {"action": action} if home is None else {"action": action, "home": home}
    try:
        async with asyncio.timeout(bound):
            answer = await _exchange(helper, json.dumps(request).encode() + b"\n")
            reply: dict[str, Any] = json.loads(answer)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise ClassroomError(
            f"{helper}: the helper that makes homes does not answer ({str(error) or 'no answer in time'}); run: "
            "systemctl restart classroom-homes.socket (without systemd: classroom homes-helper --listen PATH)"
        ) from error
    if "error" in reply:
        raise ClassroomError(str(reply["error"]))
    return reply


async def _exchange(helper: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(helper, limit=_LONGEST)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
