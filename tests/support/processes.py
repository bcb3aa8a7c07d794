"""Command lines of processes that tests start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def classroom(*words: str | Path) -> list[str]:
    """Return the command line of `classroom WORDS` with this Python, which may have no script of that name."""
    return [sys.executable, "-c", "from classroom.cli.main import main; main()", *map(str, words)]
