"""Known devices: browsers in which somebody has logged in before, by a signed cookie.

Wrong passwords that others try at the same address do not lock out a known device (`classroom.accounts.lockout`).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from classroom.accounts.lockout import DEVICE

if TYPE_CHECKING:
    from classroom.web.pages.base import Page

COOKIE = "classroom-device"
_DAYS = 365
_PEOPLE = 12  # whom a shared computer remembers


def read_device(page: Page, name: str) -> str:
    """Return the known device for the lockout if the person has logged in with it before, otherwise an empty string."""
    identifier, people = _read(page)
    return DEVICE + identifier if _digest(identifier, name) in people else ""


def client_of(page: Page, name: str) -> str:
    """Return what the lockout counts a person's attempts by: the known device, otherwise the address."""
    return read_device(page, name) or page.request.remote_ip or ""


def remember_device(page: Page, name: str) -> None:
    """Let this browser be a known device of a person for a year."""
    identifier, people = _read(page)
    identifier = identifier or secrets.token_hex(16)
    digest = _digest(identifier, name)
    kept = [digest, *(other for other in people if other != digest)][:_PEOPLE]
    page.set_ticket(COOKIE, " ".join([identifier, *kept]), _DAYS)


def _read(page: Page) -> tuple[str, list[str]]:
    identifier, *people = page.ticket(COOKIE, minutes=_DAYS * 1440).split() or [""]
    return identifier, people


def _digest(identifier: str, name: str) -> str:
    # The cookie does not say who has used a shared computer.
    return hashlib.sha256(f"{identifier} {name}".encode()).hexdigest()[:20]
