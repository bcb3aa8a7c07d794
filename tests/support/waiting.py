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
        what: a description of the condition, for the message.
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


def wait_unchanged(read: Callable[[], T], what: str, unchanged: float, seconds: float = 60) -> T:
    """Wait until a value has stayed the same for `unchanged` seconds and return it.

    Raises:
        TimeoutError: it still changed at the bound of `seconds`.
    """
    value, since = read(), time.monotonic()

    def is_unchanged() -> bool:
        nonlocal value, since
        current = read()
        if current != value:
            value, since = current, time.monotonic()
        return time.monotonic() - since >= unchanged

    wait_until(is_unchanged, what, seconds)
    return value


def assert_stays(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Assert that a condition holds now and at every look during so many seconds: for what must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"no longer so: {what}"
        time.sleep(0.1)
    assert condition(), f"no longer so: {what}"
