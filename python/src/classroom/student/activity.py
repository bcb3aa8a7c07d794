"""Tell work from noise in what a kernel says, and find when a student was last at work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

CHATTER = frozenset(
    {
        # What an open tab asks by itself, at a reconnect for example; sent on the control channel while a cell runs.
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
"""Requests and replies that are nobody's work."""

OUTPUT = frozenset(
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
"""Messages that say nothing by themselves: the request that caused them counts."""


@dataclass
class Watch:
    """One kernel's state, kept by request.

    A kernel announces "busy" and "idle" for each request. Taking the last announcement for its state is wrong as soon
    as two are in work: an answer on a subshell (a widget) or on the control channel would make a running cell look
    idle, and the kernel be culled in the middle of it.
    """

    _running: dict[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether a request is in work: a cell that has printed nothing for hours is."""
        return bool(self._running)

    def note(self, kind: str, header: Mapping[str, object] | None, state: str | None = None) -> bool:
        """Take in one IOPub message and tell whether it is somebody's work.

        Args:
            kind: the message's type.
            header: the header of the request that caused it, if any.
            state: the announced state, for a status message.
        """
        parent = header or {}
        cause = str(parent.get("msg_type") or "")
        works = bool(cause) and cause not in CHATTER
        was_busy = self.busy
        if kind == "status":
            self._announce(str(parent.get("msg_id") or ""), str(parent.get("subshell_id") or ""), state, works=works)
        return works or was_busy or (kind not in CHATTER and kind not in OUTPUT)

    def forget(self) -> None:
        """Start afresh: the kernel did."""
        self._running.clear()

    def _announce(self, request: str, subshell: str, state: str | None, *, works: bool) -> None:
        if state in {"starting", "restarting", "dead"}:
            self.forget()
        elif state == "idle":
            self._running.pop(request, None)
        elif state == "busy" and works:
            # A shell takes one request after the other: an "idle" that was lost under load is made up for here.
            self._running = {known: other for known, other in self._running.items() if other != subshell}
            self._running[request] = subshell


def last_at_work(now: datetime, busy: bool, seen: Iterable[datetime | None]) -> datetime:  # noqa: FBT001
    """Return when the student was last at work: now while a kernel is busy, else the latest that was seen."""
    return now if busy else max(moment for moment in seen if moment is not None)


def is_write(method: str, path: str, base: str, written: Collection[str] = ("POST", "PUT", "PATCH", "DELETE")) -> bool:
    """Tell whether a request changed something in the home through the contents API."""
    return method in written and (path == f"{base}api/contents" or path.startswith(f"{base}api/contents/"))
