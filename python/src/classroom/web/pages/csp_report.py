"""Reports of browsers about violations of the Content-Security-Policy, in the hub's log."""

from __future__ import annotations

from jupyterhub.handlers import BaseHandler
from jupyterhub.metrics import CSP_REPORT_COUNT
from tornado import web

from classroom.errors import printable

_LARGEST = 16 * 1024  # bytes; a browser's report has about one thousand
_LOGGED = 500  # characters: the address of the page and the rule come first


class CspReport(BaseHandler):
    """`POST /security/csp-report`. Upstream logs the whole body as it is, and any student can send one."""

    @web.authenticated
    def post(self) -> None:
        """Log the beginning of a report on one line.

        Raises:
            HTTPError: 413, when the report is larger than a browser's.
        """
        if len(self.request.body) > _LARGEST:
            raise web.HTTPError(413, "The report is too large")
        report = printable(self.request.body.decode("utf-8", "replace")[:_LOGGED])
        self.log.warning("Content security violation, reported by %s: %s", self.current_user.name, report)
        CSP_REPORT_COUNT.inc()
