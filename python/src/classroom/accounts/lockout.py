"""Who has to wait after too many wrong passwords.

Counted is the pair of name and address, so that nobody can lock the instructor out from elsewhere; and, with a much
higher bound, the address alone: a class of thirty behind one address logs in within a minute. A try counts from its
start (tries sent side by side do not slip through) and stops counting when the password was right. Failures are in
the database: a restart of the hub forgives nothing.
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
"""More failures than this are not kept: the oldest go first."""

_ANY = ""


@dataclass
class Lockout:
    """Counts failed logins. All calls come from the event loop's thread.

    Args:
        tries: wrong passwords of one name from one address before it waits; 0: never.
        address_tries: wrong passwords from one address, whatever the name, before it waits; 0: never.
        duration: how long, from the last failure.
    """

    db: Session
    tries: int
    address_tries: int
    duration: timedelta
    _running: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    def begin(self, name: str, address: str) -> bool:
        """Start a try. False if it must wait; otherwise `succeed` or `fail` has to follow."""
        keys = _keys(name, address)
        for key, bound in zip(keys, (self.tries, self.address_tries), strict=True):
            if bound and self._count(key) + self._running[key] >= bound:
                return False
        self._running.update(keys)
        return True

    def fail(self, name: str, address: str) -> None:
        """The password was wrong."""
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
        """The password was right: the pair's failures are forgotten, the address's are not."""
        pair, _ = self._end(name, address)
        row = self.db.get(FailedLogin, pair)
        if row is not None:
            self.db.delete(row)
            self.db.commit()

    def cancel(self, name: str, address: str) -> None:
        """The password was not looked at."""
        self._end(name, address)

    def forget(self, name: str) -> None:
        """Let a name try again from everywhere, since an instructor gave it a new password."""
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
            # Ten at a time more than needed, so that a flood does not pay for this at each try.
            oldest = (
                select(FailedLogin.expires)
                .order_by(FailedLogin.expires)
                .offset(rows - MAX_FAILED_LOGINS + MAX_FAILED_LOGINS // 10)
            )
            limit = self.db.scalar(oldest.limit(1))
            self.db.execute(delete(FailedLogin).where(FailedLogin.expires < limit))


def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    # No account has a longer name; a row holds no more.
    network = _network(address)
    return (name[:128], network), (_ANY, network)


def _network(address: str) -> str:
    """The address, or for IPv6 its /64: one household has that many."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)
