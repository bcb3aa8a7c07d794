"""Places for sign-ups that wait for approval, shared by address: a flood leaves places for the others.

The addresses are in memory, and not in the database: after a restart of the hub the counts begin again. The rule still
holds then, because each address gets a part of what is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.accounts.lockout import network_of

if TYPE_CHECKING:
    from collections.abc import Collection

_PART = 10


class SignUpShares:
    """The share of each address.

    A lecture room is one address, so the first half of the places has no shares. After that an address that holds a
    tenth of the free places gets no more. So `n` addresses that take what they can leave 10 / (10 + n) of that half.

    Args:
        places: number of sign-ups that may wait.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._networks: dict[str, str] = {}

    def is_crowded(self, waiting: int) -> bool:
        """Return whether shares apply to so many waiting sign-ups."""
        return 2 * waiting >= self._places

    def has_place(self, names: Collection[str], address: str) -> bool:
        """Return whether another sign-up of an address may wait.

        Args:
            names: of the accounts that wait; shares apply to them.
            address: of the client.
        """
        self._networks = {name: network for name, network in self._networks.items() if name in names}
        own = sum(network == network_of(address) for network in self._networks.values())
        return own * _PART < self._places - len(names)

    def record(self, name: str, address: str) -> None:
        """Remember where a sign-up came from."""
        self._networks[name] = network_of(address)
        if len(self._networks) > 2 * self._places:  # most of them are approved
            del self._networks[next(iter(self._networks))]
