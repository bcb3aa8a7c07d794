"""Files of the audit log, and its lines on standard error, which the journal or the container's log takes.

The events are `jupyter_events`, as JupyterHub's own, so that its handlers can be added (`c.EventLogger.handlers`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from logging.handlers import TimedRotatingFileHandler
from typing import TYPE_CHECKING, Any

from classroom.addresses import network_of
from classroom.audit.events import Action, requester
from classroom.errors import printable

if TYPE_CHECKING:
    from io import TextIOWrapper
    from pathlib import Path

    from jupyter_events import EventLogger

_log = logging.getLogger(__name__)

SCHEMA_ID = "https://classroom.invalid/events/audit"
FILE_NAME = "audit.jsonl"
"""Of today; older files have the day at the end of their names."""
MAX_DAILY = 20_000
"""Events of one kind and day. Outsiders cause failed logins: they must not fill the disk, nor hide other events."""
MAX_OF_ADDRESS = 2_000
"""Those of one address, or IPv6 network: it does not hide what others do later on this day."""

_SERVER_ACTION = "https://schema.jupyter.org/jupyterhub/events/server-action"
_SERVER_ACTIONS = {"start": Action.SERVER_STARTED, "stop": Action.SERVER_STOPPED}
_MAX_CHARACTERS = 300
_FIELDS = {
    "user": "Whose account or server it is about",
    "by": "Who did it",
    "address": "From where",
    "detail": "More about it",
}
SCHEMA: dict[str, Any] = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "Audit",
    "personal-data": True,
    "type": "object",
    "additionalProperties": False,
    "required": ["action"],
    "properties": {
        "action": {"title": "Action", "enum": [action.value for action in Action]},
        **{name: {"title": title, "type": "string", "minLength": 1} for name, title in _FIELDS.items()},
    },
}


class LineFormatter(logging.Formatter):
    """One JSON object in ASCII for an event of ours, or of JupyterHub's own about a server."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; its values are printable."""
        event: Any = record.msg
        if event.get("__schema__") == _SERVER_ACTION:
            event = _from_server_action(event)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        names = ("action", *_FIELDS)
        values = {name: printable(str(event[name]))[:_MAX_CHARACTERS] for name in names if event.get(name)}
        return json.dumps({"time": time, **values})


class AuditFile(TimedRotatingFileHandler):
    """A file for each day (UTC), which only the hub's user can read; those that are too old are deleted.

    Args:
        directory: of the files.
        keep: seconds.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self.keep = timedelta(seconds=keep)
        super().__init__(directory / FILE_NAME, when="midnight", utc=True, encoding="ascii")
        self._expire()

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="ascii", opener=_open_private)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - upstream's
        """Say in the hub's log that an event is not in the file, instead of a traceback. The log has the event itself.

        What did not fit stays in the file's buffer, and is written with the next event when there is space.
        """
        del record
        _log.error("%s cannot be written: %s", self.baseFilename, sys.exc_info()[1])

    def doRollover(self) -> None:  # noqa: N802 - upstream's
        """Begin the file of a new day."""
        super().doRollover()
        self._expire()

    def _expire(self) -> None:
        oldest = datetime.now(UTC).date() - self.keep
        for file in self.directory.glob(f"{FILE_NAME}.*"):
            with contextlib.suppress(ValueError, OSError):
                if date.fromisoformat(file.name.removeprefix(f"{FILE_NAME}.")) < oldest:
                    file.unlink()


class AuditLog:
    """The log of a hub's process, a `Sink`.

    Args:
        events: the hub's logger of events.
        handlers: where the lines go.
    """

    def __init__(self, events: EventLogger, *handlers: logging.Handler) -> None:
        self._events = events
        self._counts: Counter[tuple[str, str]] = Counter()
        self._day = datetime.now(UTC).date()
        events.register_event_schema(SCHEMA)
        if events.handlers is None:
            events.handlers = []
        for handler in handlers:
            events.register_handler(handler)
            handler.setFormatter(LineFormatter())

    def __call__(self, action: Action, fields: dict[str, str]) -> None:
        """Record an event, unless too many of its kind happened on this day."""
        today = datetime.now(UTC).date()
        if today != self._day:
            self._day, self._counts = today, Counter()
        address = network_of(fields["address"]) if "address" in fields else ""
        if address and not self._has_room(action, address, MAX_OF_ADDRESS):
            return
        if self._has_room(action, "", MAX_DAILY):
            self._events.emit(schema_id=SCHEMA_ID, data={"action": action.value, **fields})

    def _has_room(self, action: Action, address: str, limit: int) -> bool:
        """Count an event, and return whether it may be recorded; record once that others are omitted."""
        self._counts[action, address] += 1
        if self._counts[action, address] == limit + 1:
            told = {"address": address} if address else {}
            detail = f"{action.value}: more than {limit} on this day"
            self._events.emit(schema_id=SCHEMA_ID, data={"action": Action.OMITTED.value, "detail": detail, **told})
        return self._counts[action, address] <= limit


def _from_server_action(event: dict[str, str]) -> dict[str, str]:
    """Return an event of ours for JupyterHub's about a server, which does not say who asked."""
    by, address = requester()
    return {
        "action": _SERVER_ACTIONS[event["action"]].value,
        "user": event["username"],
        "by": by,
        "address": address,
    }


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
