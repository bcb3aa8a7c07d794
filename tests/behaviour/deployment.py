"""Server of the class as the tests reach it: its settings, its students' image, and paths on it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def read_settings(server: Callable[..., str]) -> dict[str, Any]:
    """Return the content of settings.json."""
    found: dict[str, Any] = json.loads(server("exec", "cat", server("settings").strip()))
    return found


def student_image(server: Callable[..., str]) -> str:
    """Return the name of the students' image."""
    found: str = read_settings(server).get("student", {}).get("image", "classroom-student:latest")
    return found


def working_directory(server: Callable[..., str]) -> str:
    """Return the server's directory for files of the tests. The engine sees it at the same path."""
    return server("directory").strip()


def as_seen_here(path: str) -> Path:
    """Return where the tests' own process finds a path, or a socket `unix:PATH`, of the server; it may not exist."""
    return Path(os.environ.get("CLASSROOM_ROOT", "/"), path.removeprefix("unix:").lstrip("/"))
