"""Events of the audit log, and the function that records one.

Only the hub's process has a log (`classroom.audit.log`). Elsewhere, as in tests of a function, nothing is recorded.
"""

from __future__ import annotations

from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

THE_HUB = "the hub"
"""Who does what nobody asked for in a request."""


class Action(StrEnum):
    """What happened."""

    SIGN_UP = "sign-up"
    CODE_USED = "code-used"
    CODES_CREATED = "codes-created"
    CODES_REVOKED = "codes-revoked"
    ACCOUNT_CREATED = "account-created"
    APPROVED = "approved"
    REJECTED = "rejected"
    CLOSED = "closed"
    REMOVED = "removed"
    LOGIN = "login"
    LOGIN_FAILED = "login-failed"
    LOCKED = "locked"
    SIGN_OUT = "sign-out"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a word
    PASSWORD_RESET = "password-reset"  # noqa: S105 - a word
    TWO_FACTOR_ON = "two-factor-on"
    TWO_FACTOR_OFF = "two-factor-off"
    TWO_FACTOR_RESET = "two-factor-reset"
    RECOVERY_CODE_USED = "recovery-code-used"
    TOKEN_CREATED = "token-created"  # noqa: S105 - a word
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - a word
    SERVER_STARTED = "server-started"
    SERVER_STOPPED = "server-stopped"
    SERVER_ENDED = "server-ended"
    """It ended by itself, or its container was killed."""
    SERVER_VISITED = "server-visited"
    """Somebody else logged in at a student's server."""
    LEASE = "lease"
    ANNOUNCED = "announced"
    RESERVED = "reserved"
    CANCELLED = "cancelled"
    OMITTED = "omitted"
    """More events of one kind happened on this day than the log takes."""


class Sink(Protocol):
    """Where events go."""

    def __call__(self, action: Action, fields: dict[str, str]) -> None:
        """Take an event; its fields are as in the schema and not empty."""


_sink: Sink | None = None
_requester: ContextVar[Callable[[], tuple[str, str]] | None] = ContextVar("requester", default=None)


def connect(sink: Sink | None) -> None:
    """Send events of this process to a sink; None: nowhere."""
    global _sink  # noqa: PLW0603 - as Python's own logging, one for each process
    _sink = sink


def begin_request(requester: Callable[[], tuple[str, str]]) -> None:
    """Let what the current request causes be recorded with its user and address.

    Args:
        requester: returns both, once the request has been authenticated.
    """
    _requester.set(requester)


def requester() -> tuple[str, str]:
    """Return the user and the address of the current request; empty outside a request."""
    current = _requester.get()
    return current() if current is not None else ("", "")


def record(action: Action, user: str = "", *, by: str | None = None, detail: str = "") -> None:
    """Record an event.

    Args:
        action: what happened.
        user: whose account or server it concerns; empty for none.
        by: who did it; None for the user of the current request, with its address.
        detail: more about it, without secrets.
    """
    if _sink is None:
        return
    actor, address = requester() if by is None else (by, "")
    fields = {"user": user, "by": actor, "address": address, "detail": detail}
    _sink(action, {name: text for name, text in fields.items() if text})
