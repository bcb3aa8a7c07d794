"""Gate API: tells Nginx whether a request may reach a student's server (`classroom.web.gate`)."""

from __future__ import annotations

from urllib.parse import unquote

from jupyterhub.handlers import BaseHandler

from classroom.web.gate import admits
from classroom.web.gate_proof import is_proof

_SERVER_ERROR = 500


class Gate(BaseHandler):
    """/hub/api/classroom/gate: 204 if the pass or the token is for this server, otherwise 403."""

    _accept_token_auth = True

    async def get(self) -> None:
        """Answer by the headers `X-Classroom-Gate` (the cookie), `X-Classroom-Server` and `Authorization`."""
        headers = self.request.headers
        server = unquote(headers.get("X-Classroom-Server", ""))
        is_admitted = (
            admits(self, headers.get("X-Classroom-Gate", ""), server)
            or self._has_token(server)
            or is_proof(self.proxy.auth_token, server, headers.get("Authorization", ""))
        )
        self.set_status(204 if is_admitted else 403)
        self.finish()

    def _has_token(self, server: str) -> bool:
        user = self.find_user(server) if self.current_user else None
        return user is not None and self.has_scope(f"access:servers!server={user.name}/")

    def _log(self) -> None:
        # One line for each request of a student would hide the others.
        if self.get_status() >= _SERVER_ERROR:
            super()._log()
