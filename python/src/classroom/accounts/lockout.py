"""Lockout after too many wrong passwords.

It counts each pair of name and address, so nobody can lock out the instructor from another address. It also counts
each address alone, with a much higher limit: a class of thirty behind one address logs in within a minute. Names
without an account do not count for the address: who invents names must not lock out the class.

A browser in which somebody has logged in before keeps a signed cookie, its device (see the OWASP's "Slow Down Online
Guessing Attacks with Device Cookies"). For that person's name it has a counter of its own and is not stopped by what
others at its address did: wrong passwords from the room's address do not lock out an instructor's own laptop.

An attempt counts from its start, so concurrent attempts do not bypass the limit, and stops counting when the password
was right. Failures are in the database, so they survive a restart of the hub.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from classroom.addresses import network_of
from classroom.db.models import FailedLogin, utc_now

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

MAX_FAILED_LOGINS = 20_000
"""Rows that the table holds; the oldest are deleted first."""

ANY_NAME = ""
ANY_CODE = "any code"  # no username contains a space
"""What an address counts for all names, and for all sign-up codes."""
ANY_ADDRESS = "any address"
"""Stands for the address where attempts are counted over all of them."""
DEVICE = "device "
"""Begins what stands for the address of a known device."""


@dataclass(frozen=True)
class Attempt:
    """A login that is being checked, by the keys of the rows that it counts for."""

    pair: tuple[str, str]
    """Name, and address or device."""
    address: tuple[str, str] | None
    """None if it does not count for the address."""

    @property
    def origin(self) -> str:
        """Return the address, its IPv6 network or the device."""
        return self.pair[1]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Return the keys that the attempt counts for."""
        return [self.pair, self.address] if self.address else [self.pair]


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
    _unsaved: deque[tuple[datetime, Attempt]] = field(default_factory=deque, init=False)
    """Failures that could not be written, and when they expire."""

    def begin(self, name: str, address: str, *, known: bool = True, total: str = ANY_NAME) -> Attempt | None:
        """Start an attempt; return None if it is locked out. Otherwise call `succeed`, `fail` or `cancel` later.

        Args:
            name: what was typed.
            address: of the client; `DEVICE` and an identifier for a browser in which this person has logged in before.
            known: the name has an account. The address does not count others, but locks them out like this one.
            total: what the address counts, `ANY_NAME` or `ANY_CODE`.
        """
        while self._unsaved and self._unsaved[0][0] <= utc_now():
            self.cancel(self._unsaved.popleft()[1])
        origin = address[:64] if address.startswith(DEVICE) else network_of(address)
        pair, whole = (name[:128], origin), (total, origin)  # as long as the columns; no account has a longer name
        if self._is_full(pair, self.tries) or self._is_full(whole, self.address_tries):
            return None
        attempt = Attempt(pair, whole if known else None)
        self._running.update(attempt.keys)
        return attempt

    def fail(self, attempt: Attempt) -> bool:
        """Count a wrong password; return whether the next attempt of this name or address will be locked out."""
        moment = utc_now()
        try:
            is_locked = self._count(attempt, moment)
        except SQLAlchemyError:
            # A full disk is no licence to guess: the attempt counts on in memory.
            self.db.rollback()
            self._unsaved.append((moment + self.duration, attempt))
            raise
        self.cancel(attempt)
        return is_locked

    def succeed(self, attempt: Attempt) -> None:
        """Delete the failures of the pair after a right password; those of the address stay."""
        self.cancel(attempt)
        row = self.db.get(FailedLogin, attempt.pair)
        if row is not None:
            self.db.delete(row)
            self.db.commit()

    def cancel(self, attempt: Attempt) -> None:
        """End an attempt without a checked password."""
        self._running -= Counter(attempt.keys)  # no entry stays at zero

    def forget(self, name: str) -> None:
        """End the lockouts of a name at all addresses, since an instructor set a new password."""
        self.db.execute(delete(FailedLogin).where(FailedLogin.name == name))
        self.db.commit()

    def _count(self, attempt: Attempt, moment: datetime) -> bool:
        is_locked = False
        for key in attempt.keys:
            row = self.db.get(FailedLogin, key)
            if row is None:
                row = FailedLogin(name=key[0], address=key[1], count=0, expires=moment)
                self.db.add(row)
            row.count = 1 if row.expires <= moment else row.count + 1
            row.expires = moment + self.duration
            limit = self.tries if key == attempt.pair else self.address_tries
            is_locked = is_locked or 0 < limit <= row.count
        self._prune(moment)
        self.db.commit()
        return is_locked

    def _is_full(self, key: tuple[str, str], limit: int) -> bool:
        row = self.db.get(FailedLogin, key)
        count = row.count if row is not None and row.expires > utc_now() else 0
        return bool(limit) and count + self._running[key] >= limit

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
