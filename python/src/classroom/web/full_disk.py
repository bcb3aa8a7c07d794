"""Answer 507 of all pages and endpoints, upstream's too, while the disk of the hub takes no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub.handlers import BaseHandler
from jupyterhub.spawner import SpawnException
from tornado import web

from classroom.errors import NoSpaceError, no_space_reason

if TYPE_CHECKING:
    from types import TracebackType

    from tornado.web import RequestHandler

_MESSAGE = (
    "The hub could not save this: {reason} Files in your server are not affected, and code goes on. Tell your "
    "instructor. It works again as soon as there is space."
)


class _FullDisk(BaseHandler):
    """Handler that says that the disk is full. What needs no write works."""

    def _record_activity(self, obj: Any, timestamp: Any = None) -> bool:  # noqa: ANN401 - as upstream's
        """Record activity as upstream, or not at all: a session that cannot be recorded is still a session.

        Upstream took it for no session, and sent a right password back to the form.
        """
        if not super()._record_activity(obj, timestamp):
            return False
        try:
            self.db.commit()
        except Exception as error:
            self.db.rollback()
            if not no_space_reason(error):
                raise
        return False  # nothing is left to commit

    def log_exception(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log one line for a full disk."""
        if reason := _hub_reason(error):
            self.log.error("%s %s: nothing was saved. %s", self.request.method, self.request.path, reason)
        else:
            super().log_exception(kind, error, trace)

    def send_error(self, status_code: int = 500, **names: Any) -> None:  # noqa: ANN401 - as upstream's
        """Send an error as upstream, or 507 and what happened."""
        info = names.get("exc_info")
        if reason := _hub_reason(info[1]) if info else "":
            self.db.rollback()  # or the hub's one session accepts nothing more
            status_code = NoSpaceError.status
            error = web.HTTPError(status_code, "%s", _MESSAGE.format(reason=reason))
            names["exc_info"] = (web.HTTPError, error, None)
        super().send_error(status_code, **names)


def _hub_reason(error: BaseException | None) -> str:
    """Return why the hub's disk takes no data; empty for other errors, and for a start, which has its own message."""
    return "" if isinstance(error, SpawnException) else no_space_reason(error)


_handlers: dict[type[RequestHandler], type[RequestHandler]] = {}


def tell_full_disk(handler: type[RequestHandler]) -> type[RequestHandler]:
    """Return a handler that answers 507 while the disk is full; the same one if it is none of JupyterHub's."""
    if not issubclass(handler, BaseHandler):
        return handler
    if handler not in _handlers:
        names = {"__module__": handler.__module__, "__doc__": handler.__doc__}
        _handlers[handler] = type(handler.__name__, (_FullDisk, handler), names)
    return _handlers[handler]
