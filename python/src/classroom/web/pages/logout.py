"""Sign-out that ends the cookie, and not only its copy in one browser."""

from __future__ import annotations

from jupyterhub.handlers.login import LogoutHandler

from classroom.accounts import service
from classroom.audit.events import Action, record
from classroom.web.end_logins import end_logins
from classroom.web.gate import close_gate


class LogoutPage(LogoutHandler):
    """`/hub/logout`, also from JupyterLab's menu."""

    async def handle_logout(self) -> None:
        """End the hub's cookies of the user, so that a copy from a shared computer is worth nothing.

        All browsers of a user have the same cookie. A link on another site signs this browser out, as upstream, but
        must not sign the others out.
        """
        close_gate(self)
        user = self.current_user
        if user is not None:
            record(Action.SIGN_OUT, user.name)
        if user is None or self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            return
        service.end_cookies(self.db, user.name)
        await end_logins(self, [user.name], visited_too=False)
