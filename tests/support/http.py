"""HTTP requests by which tests find out whether a server is up."""

from __future__ import annotations

import httpx


def answers(url: str) -> bool:
    """Return whether a GET of `url` is answered with success; False also where nobody answers."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
