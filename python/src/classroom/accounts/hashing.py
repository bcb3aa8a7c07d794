"""Password hashing in threads, off the event loop, in a fair order."""

from __future__ import annotations

import asyncio
import functools
import unicodedata
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from classroom.accounts import passwords
from classroom.accounts.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

_THREADS = 2
MAX_PENDING_HASHES = 4000
"""Hashes that may run or wait at once, of all clients."""
MAX_PENDING_OF_ONE = 400
"""Those of one client, which may be a class; 400 take about a minute."""

_PORTION = 8  # passwords; about 30 ms
_GENERATED = "generated passwords"


def _hash_portion(portion: Sequence[str]) -> list[bytes]:
    return [passwords.hash_password(password, passwords.ONE_TIME_ROUNDS) for password in portion]


@dataclass
class FairSlots:
    """Slots that clients get in turn, so that one with much work does not delay one with little.

    Args:
        free: the number of slots.
    """

    free: int
    _queues: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict, init=False)
    """Those who wait, by client; the first client is the next."""

    async def acquire(self, client: str) -> None:
        """Wait for a slot; call `release` later."""
        if self.free:
            self.free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give the slot to the next client that waits."""
        while self._queues:
            client = next(iter(self._queues))
            queue = self._queues.pop(client)
            turn = queue.popleft()
            if queue:
                self._queues[client] = queue  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1


@dataclass
class Hasher:
    """Pool of threads that hash and check passwords; bcrypt releases the interpreter lock."""

    rounds: int
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt"), init=False
    )
    _slots: FairSlots = field(default_factory=lambda: FairSlots(_THREADS), init=False)
    _pending: Counter[str] = field(default_factory=Counter, init=False)

    async def hash(self, password: str, client: str = "") -> bytes:
        """Return `passwords.hash_password` of the password with composed letters (RFC 8265, 4.2).

        Args:
            password: as typed.
            client: who asks; clients get their hashes in turn.

        Raises:
            AccountError: too many are waiting already.
        """
        composed = unicodedata.normalize("NFC", password)
        return await self._run(lambda: passwords.hash_password(composed, self.rounds), client)

    async def verify(self, password: str, hashed: bytes | None, client: str = "") -> bool:
        """Return whether the password has this hash. None, for an unknown name, takes as long and gives False.

        Args:
            password: as typed.
            hashed: the stored hash.
            client: as of `hash`.

        Raises:
            AccountError: too many are waiting already.
        """
        expected = passwords.no_password(self.rounds) if hashed is None else hashed
        forms = dict.fromkeys((unicodedata.normalize("NFC", password), password))  # older hashes are of what was typed
        checks = (functools.partial(passwords.verify_password, form, expected, self.rounds) for form in forms)
        is_same = any([await self._run(check, client) for check in checks])
        return is_same and hashed is not None

    async def hash_generated(self, generated: Sequence[str]) -> list[bytes]:
        """Return the hashes of passwords from `passwords.generate_one_time_password`, in the same order.

        However many they are, a login waits for two small portions at most.
        """
        portions = [generated[first : first + _PORTION] for first in range(0, len(generated), _PORTION)]
        work = [functools.partial(_hash_portion, portion) for portion in portions]
        hashes = await asyncio.gather(*(self._in_turn(portion, _GENERATED) for portion in work))
        return [hashed for portion in hashes for hashed in portion]

    async def _run(self, work: Callable[[], _T], client: str) -> _T:
        if self._pending[client] >= MAX_PENDING_OF_ONE or self._pending.total() >= MAX_PENDING_HASHES:
            raise AccountError("Many people are signing in right now. Wait a minute, then try again.", 503)
        self._pending[client] += 1
        try:
            return await self._in_turn(work, client)
        finally:
            self._pending -= Counter([client])  # no entry stays at zero

    async def _in_turn(self, work: Callable[[], _T], client: str) -> _T:
        await self._slots.acquire(client)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._slots.release()
