"""bcrypt off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

THREADS = 2
MAX_PENDING_HASHES = 400
"""Hashes in hand at most; 400 are about a minute's work."""


_PORTION = 8  # passwords; about 30 ms


def _hash_portion(portion: Sequence[str]) -> list[bytes]:
    return [passwords.hash_password(password, passwords.ONE_TIME_ROUNDS) for password in portion]


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
        return await self._run(lambda: passwords.verify_password(password, known, self.rounds)) and hashed is not None

    async def hash_generated(self, made: Sequence[str]) -> list[bytes]:
        """Hashes of passwords that `passwords.one_time_password` made, in their order.

        However many they are, logins that come meanwhile wait for two small portions at most.
        """
        portions = [made[first : first + _PORTION] for first in range(0, len(made), _PORTION)]
        free = asyncio.Semaphore(THREADS)

        async def hash_portion(portion: Sequence[str]) -> list[bytes]:
            async with free:
                return await asyncio.get_running_loop().run_in_executor(self._pool, _hash_portion, portion)

        return [each for done in await asyncio.gather(*map(hash_portion, portions)) for each in done]

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_PENDING_HASHES:
            raise AccountError("Many people are signing in right now. Wait a minute, then try again.", 503)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
