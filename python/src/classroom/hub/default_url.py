"""Where people find themselves after they have signed in."""

from __future__ import annotations

from typing import Any


def choose_default_url(handler: Any) -> str:  # noqa: ANN401 - JupyterHub's handlers are untyped
    """Give the page for `c.JupyterHub.default_url`; "" means JupyterHub's own choice, which is the student's server.

    An instructor has students to let in before a server to start.
    """
    user = handler.current_user
    return f"{handler.hub.base_url}authorize" if user is not None and user.admin else ""
