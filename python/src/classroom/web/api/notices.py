"""What a student's server asks for its notebook: whether it is about to be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub.scopes import needs_scope

from classroom.gpus.autostart import forget
from classroom.settings.groups import gpu_rules
from classroom.web.api.base import ApiHandler

if TYPE_CHECKING:
    from classroom.notices import Board
    from classroom.settings.models import Settings

_AGAIN = 60  # seconds between two questions of an open notebook
_SELDOM = 300  # where no server is stopped for others


class Notices(ApiHandler):
    """/hub/api/classroom/notices/<name>: for the server of that student."""

    # A scope that a server's own token has, for its own student.
    @needs_scope("users:activity")
    async def get(self, user_name: str) -> None:
        """The notice, if there is one. `again`: when to ask next, in seconds."""
        forget(self.db, user_name)  # opened: none but an open notebook asks
        board: Board = self.settings["app"].notices
        notice = board.of(user_name)
        settings: Settings = self.settings["app"].class_settings
        given = [gpu.notice // 5 for gpu in gpu_rules(settings).values() if gpu.policy != "none"]
        again = max(2, min(_AGAIN, *given)) if given else _SELDOM
        said = {"reason": notice.reason, "seconds": notice.seconds()} if notice else {"reason": None}
        self.send_json(said | {"again": again})
