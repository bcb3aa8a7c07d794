"""Password hashing in threads, off the event loop."""

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

_THREADS = 2
MAX_PENDING_HASHES = 400
"""Hashes that may wait at once; 400 take about a minute."""

_PORTION = 8  # passwords; about 30 ms


def _hash_portion(portion: Sequence[str]) -> list[bytes]:
    return [passwords.hash_password(password, passwords.ONE_TIME_ROUNDS) for password in portion]


@dataclass
class Hasher:
    """Pool of threads that hash and check passwords; bcrypt releases the interpreter lock."""

    rounds: int
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt"), init=False
    )
    _waiting: int = field(default=0, init=False)

    async def hash(self, password: str) -> bytes:
        """Return `passwords.hash_password` of the password.

        Raises:
            AccountError: too many are waiting already.
        """
        return await self._run(lambda: passwords.hash_password(password, self.rounds))

    async def verify(self, password: str, hashed: bytes | None) -> bool:
        """Return whether the password has this hash. None, for an unknown name, takes as long and gives False.

        Raises:
            AccountError: too many are waiting already.
        """
        expected = passwords.no_password(self.rounds) if hashed is None else hashed
        return (
            await self._run(lambda: passwords.verify_password(password, expected, self.rounds)) and hashed is not None
        )

    async def hash_generated(self, generated: Sequence[str]) -> list[bytes]:
        """Return the hashes of passwords from `passwords.generate_one_time_password`, in the same order.

        However many they are, a login waits for two small portions at most.
        """
        portions = [generated[first : first + _PORTION] for first in range(0, len(generated), _PORTION)]
        free = asyncio.Semaphore(_THREADS)

        async def hash_portion(portion: Sequence[str]) -> list[bytes]:
            async with free:
                return await asyncio.get_running_loop().run_in_executor(self._pool, _hash_portion, portion)

        return [hashed for portion in await asyncio.gather(*map(hash_portion, portions)) for hashed in portion]

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_PENDING_HASHES:
            raise AccountError("Many people are signing in right now. Wait a minute, then try again.", 503)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
