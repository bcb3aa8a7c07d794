"""Waiting for a condition, with a bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = 60, pause: float = 0.25) -> T:
    """Wait until a condition holds and return its value.

    Args:
        condition: is called again and again until what it returns is true.
        what: the condition in words, for the message.
        seconds: the bound.
        pause: the longest pause between two calls, in seconds; the first pauses are shorter.

    Raises:
        TimeoutError: the condition did not hold within the bound.
    """
    end = time.monotonic() + seconds
    current = pause / 20
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(current)
        current = min(1.5 * current, pause)
    return value
