"""The first page after login."""

from __future__ import annotations

from typing import Any


def choose_default_url(handler: Any) -> str:  # noqa: ANN401 - JupyterHub's handlers are untyped
    """Return the page for `c.JupyterHub.default_url`; "" is JupyterHub's default, the student's server.

    An instructor approves students before starting a server.
    """
    user = handler.current_user
    return f"{handler.hub.base_url}authorize" if user is not None and user.admin else ""
