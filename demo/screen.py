"""Output on a terminal or in a file: lines, and a progress bar on a terminal."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 24


class Screen:
    """Lines on a terminal or in a file."""

    def __init__(self, stream: TextIO, *, terminal: bool | None = None) -> None:
        """Write on a stream.

        Args:
            stream: where.
            terminal: whether lines may be written over; the stream's own answer unless told.
        """
        self._stream = stream
        self.terminal = stream.isatty() if terminal is None else terminal

    def line(self, text: str = "") -> None:
        """Write one line."""
        self._write(f"{text}\n")

    def bold(self, text: str) -> str:
        """Return the text, bold on a terminal."""
        return f"\x1b[1m{text}\x1b[0m" if self.terminal else text

    @contextlib.contextmanager
    def step(self, doing: str, done: str, *, long: str = "") -> Iterator[Step]:
        """Show what is being done, then that it is done and how long it took.

        Args:
            doing: such as "Installing Python packages".
            done: such as "Python packages installed".
            long: said beside `doing` where no bar shows that it goes on.
        """
        step = Step(self, doing)
        if self.terminal:
            step.show()
        else:
            self.line(f"  {doing}{f' ({long})' if long else ''}")
        started = time.monotonic()
        try:
            yield step
        finally:
            step.end()
        self.line(f"  {done} in {_duration(time.monotonic() - started)}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # whoever read us has gone; what runs must still be stopped
            self._stream.write(text)
            self._stream.flush()

    def redraw(self, text: str) -> None:
        """Write over the line that was drawn before."""
        room = shutil.get_terminal_size().columns - 1
        self._write(f"\r\x1b[K{text[:room]}")


class Step:
    """A slow step; threads report its progress."""

    def __init__(self, screen: Screen, doing: str) -> None:
        """Begin at 0 %."""
        self._screen = screen
        self._doing = doing
        self._lock = threading.Lock()
        self._parts: dict[str, tuple[float, float]] = {}
        self._detail = ""
        self._ended = False

    def update(self, part: str, fraction: float, *, weight: float = 1, detail: str = "") -> None:
        """Set how much of one part of the step is done.

        Args:
            part: a name for it.
            fraction: 0 to 1; the bar never goes back.
            weight: how much of the whole it is.
            detail: what it is at.
        """
        with self._lock:
            before = self._parts.get(part, (0.0, weight))[0]
            self._parts[part] = (max(before, min(fraction, 1.0)), weight)
            self._detail = detail or self._detail
        self.show()

    def say(self, text: str) -> None:
        """Write a line about the step where there is no bar."""
        if not self._screen.terminal:
            self._screen.line(f"    {text}")

    def show(self) -> None:
        """Draw the bar."""
        if not self._screen.terminal:
            return
        with self._lock:
            if self._ended:
                return
            whole = sum(weight for _, weight in self._parts.values()) or 1
            fraction = sum(fraction * weight for fraction, weight in self._parts.values()) / whole
            full = int(fraction * _WIDTH)
            bar = "#" * full + "-" * (_WIDTH - full)
            self._screen.redraw(f"  {self._doing}  [{bar}] {fraction:4.0%}  {self._detail}")

    def end(self) -> None:
        """Remove the bar."""
        with self._lock:
            self._ended = True
        if self._screen.terminal:
            self._screen.redraw("")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
