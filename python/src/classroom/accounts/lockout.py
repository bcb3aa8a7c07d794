"""Lockout after too many wrong passwords.

It counts each pair of name and address, so nobody can lock out the instructor from another address. It also counts
each address alone, with a much higher limit: a class of thirty behind one address logs in within a minute. An attempt
counts from its start, so concurrent attempts do not bypass the limit, and stops counting when the password was right.
Failures are in the database, so they survive a restart of the hub.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from classroom.db.models import FailedLogin, utc_now

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

MAX_FAILED_LOGINS = 20_000
"""Rows that the table holds; the oldest are deleted first."""

_ANY_NAME = ""


@dataclass
class Lockout:
    """Counter of failed logins. All calls come from the event loop's thread.

    Args:
        tries: wrong passwords of one name from one address before a lockout; 0: no limit.
        address_tries: wrong passwords from one address, for any name, before a lockout; 0: no limit.
        duration: of a lockout, from the last failure.
    """

    db: Session
    tries: int
    address_tries: int
    duration: timedelta
    _running: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    def begin(self, name: str, address: str) -> bool:
        """Start an attempt; return False if it is locked out. Otherwise call `succeed`, `fail` or `cancel` later."""
        keys = _keys(name, address)
        for key, limit in zip(keys, (self.tries, self.address_tries), strict=True):
            if limit and self._count(key) + self._running[key] >= limit:
                return False
        self._running.update(keys)
        return True

    def fail(self, name: str, address: str) -> None:
        """Count a wrong password."""
        moment = utc_now()
        for key in self._end(name, address):
            row = self.db.get(FailedLogin, key)
            if row is None:
                row = FailedLogin(name=key[0], address=key[1], count=0, expires=moment)
                self.db.add(row)
            row.count = 1 if row.expires <= moment else row.count + 1
            row.expires = moment + self.duration
        self._prune(moment)
        self.db.commit()

    def succeed(self, name: str, address: str) -> None:
        """Delete the failures of the pair after a right password; those of the address stay."""
        pair, _ = self._end(name, address)
        row = self.db.get(FailedLogin, pair)
        if row is not None:
            self.db.delete(row)
            self.db.commit()

    def cancel(self, name: str, address: str) -> None:
        """End an attempt without a checked password."""
        self._end(name, address)

    def forget(self, name: str) -> None:
        """End the lockouts of a name at all addresses, since an instructor set a new password."""
        self.db.execute(delete(FailedLogin).where(FailedLogin.name == name))
        self.db.commit()

    def _end(self, name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
        keys = _keys(name, address)
        for key in keys:
            self._running[key] -= 1
            if self._running[key] <= 0:
                del self._running[key]
        return keys

    def _count(self, key: tuple[str, str]) -> int:
        row = self.db.get(FailedLogin, key)
        return row.count if row is not None and row.expires > utc_now() else 0

    def _prune(self, moment: datetime) -> None:
        self.db.execute(delete(FailedLogin).where(FailedLogin.expires <= moment))
        rows = self.db.scalar(select(func.count()).select_from(FailedLogin)) or 0
        if rows > MAX_FAILED_LOGINS:
            # A tenth more than necessary, so that a flood does not cause this query at each attempt.
            oldest = (
                select(FailedLogin.expires)
                .order_by(FailedLogin.expires)
                .offset(rows - MAX_FAILED_LOGINS + MAX_FAILED_LOGINS // 10)
            )
            limit = self.db.scalar(oldest.limit(1))
            self.db.execute(delete(FailedLogin).where(FailedLogin.expires < limit))


def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    # As long as the column; no account has a longer name.
    network = _network(address)
    return (name[:128], network), (_ANY_NAME, network)


def _network(address: str) -> str:
    """Return the address, or for IPv6 its /64, which belongs to one household."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)
