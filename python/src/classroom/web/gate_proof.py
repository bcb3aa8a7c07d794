"""Proof by which the doctor passes the gate to a server of its own: it knows the token of the hub and the proxy."""

from __future__ import annotations

import hmac

PREFIX = "classroom-doctor-"
"""Names of the doctor's servers begin with it. They are longer than any account's."""


def authorization(proxy_token: str, server: str) -> str:
    """Return the header `Authorization` for a request to a server of the doctor."""
    return f"doctor {hmac.digest(proxy_token.encode(), f'gate {server}'.encode(), 'sha256').hex()}"


def is_proof(proxy_token: str, server: str, value: str) -> bool:
    """Return whether a header `Authorization` is the one for this server, which is a doctor's."""
    expected = authorization(proxy_token, server).encode()
    return server.startswith(PREFIX) and hmac.compare_digest(expected, value.encode(errors="replace"))
