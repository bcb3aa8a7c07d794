"""Logs of the server's parts, screenshots, and patches of its settings."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from playwright.sync_api import BrowserContext

_LINES = {"hub": 40, "nginx": 10, "engine": 10}
_CONTAINER_LINES = 20


def last_lines(command: Sequence[str], students: Iterable[str]) -> list[tuple[str, str]]:
    """Return the end of each log, with a heading.

    Args:
        command: how a verb is run on the server.
        students: whose containers are asked as well, while they are there.
    """
    logs = [(f"log of {part}", _end([*command, "logs", part], lines)) for part, lines in _LINES.items()]
    for name in students:
        if found := _end([*command, "docker", "ps", "--quiet", "--filter", f"label=org.classroom.user={name}"]):
            logs += [(f"log of {name}'s container", _end([*command, "docker", "logs", found], _CONTAINER_LINES))]
    return logs


def pictures(title: str, contexts: Iterable[BrowserContext]) -> str:
    """Save screenshots of all pages in CLASSROOM_ARTEFACTS or a temporary directory; return the paths, a line each."""
    folder = Path(os.environ.get("CLASSROOM_ARTEFACTS") or tempfile.mkdtemp(prefix="classroom-pictures-"))
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for number, page in enumerate(page for context in contexts for page in context.pages):
        path = folder / f"{re.sub(r'[^a-z0-9]+', '-', title.lower())}-{number}.png"
        page.screenshot(path=path)
        taken.append(f"{path} {page.url}")
    return "\n".join(taken)


def merge_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Merge Patch (RFC 7386) that turns `before` into `after`."""
    return dict(_changes(before, after))


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := merge_patch(old, new):
                yield key, inner
        elif old != new:
            yield key, new


def _end(command: Sequence[str], lines: int = 1) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=30)
        return "\n".join((done.stdout + done.stderr).splitlines()[-lines:])
    return ""
