"""bcrypt off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

THREADS = 2
MAX_WAITING = 400
"""Hashes in hand at most; 400 are about a minute's work."""


@dataclass
class Hasher:
    """Hashes and checks passwords in threads; bcrypt lets go of the interpreter lock."""

    rounds: int
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt"), init=False
    )
    _waiting: int = field(default=0, init=False)

    async def hash(self, password: str) -> bytes:
        """As `passwords.hash_password`.

        Raises:
            AccountError: too many are waiting already.
        """
        return await self._run(lambda: passwords.hash_password(password, self.rounds))

    async def verify(self, password: str, hashed: bytes | None) -> bool:
        """Whether the password has this hash; None, for a name without an account, takes as long and is False.

        Raises:
            AccountError: too many are waiting already.
        """
        known = passwords.no_password(self.rounds) if hashed is None else hashed
        return await self._run(lambda: passwords.verify(password, known)) and hashed is not None

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_WAITING:
            raise AccountError("Many people are signing in right now. Wait a minute, then try again.", 503)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
