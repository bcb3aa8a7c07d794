"""Request by which the hub ends logins at a student's server."""

from __future__ import annotations

import hmac

PATH = "api/classroom/logins"
"""Address below the server's, for `DELETE`."""


def proof(token: str) -> str:
    """Return the header `Authorization` of the request.

    The hub and the server know the server's token. The hub does not send it: another container may have got the
    address of one that has just died.
    """
    return f"proof {hmac.digest(token.encode(), PATH.encode(), 'sha256').hex()}"
