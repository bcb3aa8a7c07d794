"""Activity of a student: which kernel messages and requests are work, and the report of it to the hub."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime
    from logging import Logger

BACKGROUND_MESSAGES = frozenset(
    {
        # What an open tab asks by itself, for example when it reconnects; on the control channel while a cell runs.
        "comm_info_reply",
        "comm_info_request",
        "create_subshell_reply",
        "create_subshell_request",
        "debug_event",
        "debug_reply",
        "debug_request",
        "delete_subshell_reply",
        "delete_subshell_request",
        "history_reply",
        "history_request",
        "interrupt_reply",
        "interrupt_request",
        "iopub_welcome",
        "kernel_info_reply",
        "kernel_info_request",
        "list_subshell_reply",
        "list_subshell_request",
        "shutdown_reply",
        "shutdown_request",
        "usage_reply",
        "usage_request",
    },
)
"""Types of requests and replies that are not a student's work."""

OUTPUT_MESSAGES = frozenset(
    {
        "clear_output",
        "display_data",
        "error",
        "execute_input",
        "execute_result",
        "status",
        "stream",
        "update_display_data",
    },
)
"""Types of messages for which the request that caused them counts."""

_REPORT_TIMEOUT = 20.0
"""Seconds for one report: a hub that is restarting gets the next one."""


@dataclass
class KernelActivity:
    """State of one kernel, by request.

    A kernel announces "busy" and "idle" for each request. The last announcement is the wrong state as soon as two
    requests run: an answer on a subshell (a widget) or on the control channel would make a running cell look idle, and
    the kernel would be culled in the middle of it.
    """

    _running: dict[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Return whether a request runs, such as a cell that has printed nothing for hours."""
        return bool(self._running)

    def record(self, kind: str, header: Mapping[str, object] | None, state: str | None = None) -> bool:
        """Record one IOPub message and return whether it is a student's work.

        Args:
            kind: the message's type.
            header: the header of the request that caused it, if any.
            state: the announced state, for a status message.
        """
        parent = header or {}
        cause = str(parent.get("msg_type") or "")
        is_work = bool(cause) and cause not in BACKGROUND_MESSAGES
        was_busy = self.busy
        if kind == "status":
            self._announce(
                str(parent.get("msg_id") or ""), str(parent.get("subshell_id") or ""), state, is_work=is_work
            )
        return is_work or was_busy or (kind not in BACKGROUND_MESSAGES and kind not in OUTPUT_MESSAGES)

    def reset(self) -> None:
        """Forget all requests, after a restart of the kernel."""
        self._running.clear()

    def _announce(self, request: str, subshell: str, state: str | None, *, is_work: bool) -> None:
        if state in {"starting", "restarting", "dead"}:
            self.reset()
        elif state == "idle":
            self._running.pop(request, None)
        elif state == "busy" and is_work:
            # A shell runs one request at a time: this ends a request that lost its "idle" under load.
            self._running = {known: other for known, other in self._running.items() if other != subshell}
            self._running[request] = subshell


def last_work(now: datetime, busy: bool, times: Iterable[datetime | None]) -> datetime:  # noqa: FBT001
    """Return the time of the student's last work: now while a kernel is busy, else the latest of `times`."""
    return now if busy else max(moment for moment in times if moment is not None)


def is_contents_write(method: str, path: str, base: str) -> bool:
    """Return whether a request changed a file in the home through the contents API."""
    is_write = method in {"POST", "PUT", "PATCH", "DELETE"}
    return is_write and (path == f"{base}api/contents" or path.startswith(f"{base}api/contents/"))


def activity_body(server: str, moment: datetime) -> str:
    """Return the body of a report (JupyterHub's docs: reference/rest-api, POST /users/{name}/activity)."""
    stamp = moment.isoformat().replace("+00:00", "Z")
    return json.dumps({"servers": {server: {"last_activity": stamp}}, "last_activity": stamp})


async def report_activity(
    last: Callable[[], datetime], send: Callable[[datetime], Awaitable[Any]], interval: float, log: Logger
) -> None:
    """Send the time of the last work whenever it has changed, until cancelled; a hub that is away is no error.

    Args:
        last: returns the time of the student's last work.
        send: sends it to the hub; raises when the hub does not accept it.
        interval: seconds between two checks, varied by a tenth so that the servers of a class spread their reports.
        log: gets a line when the hub is lost and when it is back.
    """
    sent: datetime | None = None
    lost = False
    while True:
        try:
            moment = last()
            if sent is None or moment > sent:
                await asyncio.wait_for(send(moment), _REPORT_TIMEOUT)
                sent = moment
        except Exception as error:  # noqa: BLE001 - a server that stops reporting is culled while its student works
            if not lost:
                log.warning("The hub did not accept an activity report (%r). Trying again every %g s.", error, interval)
            lost = True
        else:
            if lost:
                log.info("The hub accepts activity reports again.")
            lost = False
        await asyncio.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
