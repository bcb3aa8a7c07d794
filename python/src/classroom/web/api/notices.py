"""Notices API: tells a student's notebook that its server will be stopped, and afterwards why it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub.handlers import BaseHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado.web import decode_signed_value

from classroom.gpus.autostart import forget_autostart
from classroom.settings.groups import gpu_rules
from classroom.web.api.base import ApiHandler

if TYPE_CHECKING:
    from classroom.notices import NoticeBoard
    from classroom.settings.models import Settings
    from classroom.spawner.endings import Endings

_INTERVAL = 60  # seconds between two requests of an open notebook
TICKET_HEADER = "X-Classroom-Ticket"
_TICKET = "classroom-notice"
_TICKET_DAYS = 31
_LONG_INTERVAL = 300  # where no server is stopped for others


class Notices(ApiHandler):
    """/hub/api/classroom/notices/<name>: for the server of that student."""

    # A scope that a server's own token has, for its own student.
    @needs_scope("users:activity")
    async def get(self, user_name: str) -> None:
        """Send the notice, if there is one.

        `again` are the seconds until the next request, and `ticket` is for the request after the server's end.
        """
        forget_autostart(self.db, user_name)  # only an opened server's notebook asks
        board: NoticeBoard = self.settings["app"].notices
        notice = board.notice_for(user_name)
        settings: Settings = self.settings["app"].class_settings
        intervals = [gpu.notice // 5 for gpu in gpu_rules(settings).values() if gpu.policy != "none"]
        again = max(2, min(_INTERVAL, *intervals)) if intervals else _LONG_INTERVAL
        message = {"reason": notice.reason, "seconds": notice.seconds()} if notice else {"reason": None}
        ticket: bytes = self.create_signed_value(_TICKET, user_name)
        self.send_json(message | {"again": again, "ticket": ticket.decode()})


class EndedNotice(BaseHandler):
    """/user/<name>/api/classroom/notice: the notebook's next request, which the hub gets when the server has ended.

    The hub's cookies do not belong to this path, and may be of another host name: the notebook shows the ticket that it
    has got while its server ran.
    """

    async def get(self, name: str) -> None:
        """Send why the server has ended, and where a new one starts; 424, as JupyterHub without a server."""
        self.set_status(424)
        self.set_header("Cache-Control", "no-store")
        signed = self.request.headers.get(TICKET_HEADER, "")
        secret = self.settings["cookie_secret"]
        is_known = (decode_signed_value(secret, _TICKET, signed, max_age_days=_TICKET_DAYS) or b"").decode() == name
        user = self.find_user(name) if is_known else None
        if user is None or user.spawner.active:
            self.finish({"message": "This server does not run."})
            return
        endings: Endings = self.settings["app"].endings
        ending = endings.last(name)
        host = self.settings["app"].subdomain_host
        start = host + url_path_join(self.hub.base_url, "spawn", user.escaped_name)
        self.finish({"message": "This server has ended.", "ended": ending.text if ending else "", "start": start})

    def _log(self) -> None:
        """Write no line: an open notebook asks every few seconds."""
