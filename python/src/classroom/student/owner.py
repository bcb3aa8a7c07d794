"""Owner of a student's server, as opposed to an instructor who visits it."""

from __future__ import annotations

import os
from typing import Any


def is_owner(handler: Any) -> bool:  # noqa: ANN401 - tornado's handlers
    """Return whether the owner of the server sent the request."""
    user = handler.current_user
    return user is not None and getattr(user, "username", None) == os.environ.get("JUPYTERHUB_USER")
