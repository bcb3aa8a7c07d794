"""Notices API: tells a student's notebook that its server will be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope

from classroom.gpus.autostart import forget_autostart
from classroom.settings.groups import gpu_rules
from classroom.web.api.base import ApiHandler

if TYPE_CHECKING:
    from classroom.notices import NoticeBoard
    from classroom.settings.models import Settings

_INTERVAL = 60  # seconds between two requests of an open notebook
_LONG_INTERVAL = 300  # where no server is stopped for others


class Notices(ApiHandler):
    """/hub/api/classroom/notices/<name>: for the server of that student."""

    # A scope that a server's own token has, for its own student.
    @needs_scope("users:activity")
    async def get(self, user_name: str) -> None:
        """Send the notice, if there is one. `again`: the seconds until the next request."""
        forget_autostart(self.db, user_name)  # only an opened server's notebook asks
        board: NoticeBoard = self.settings["app"].notices
        notice = board.notice_for(user_name)
        settings: Settings = self.settings["app"].class_settings
        intervals = [gpu.notice // 5 for gpu in gpu_rules(settings).values() if gpu.policy != "none"]
        again = max(2, min(_INTERVAL, *intervals)) if intervals else _LONG_INTERVAL
        message = {"reason": notice.reason, "seconds": notice.seconds()} if notice else {"reason": None}
        self.send_json(message | {"again": again})
