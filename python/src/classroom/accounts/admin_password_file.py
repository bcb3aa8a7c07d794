"""One-time passwords of the instructors, in files that only the hub's user can read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def admin_password_path(folder: str, name: str) -> Path:
    """The file that holds an instructor's one-time password until it is changed."""
    return Path(folder) / f"first-password-{name}"


def write_admin_password(folder: str, name: str, password: str) -> Path:
    """Write the file (0600, whole or not at all).

    Raises:
        OSError: it cannot be written.
    """
    path = admin_password_path(folder, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    return draft.replace(path)


def delete_admin_password(folder: str, name: str) -> None:
    """Remove the file, if there is one: the password has been changed."""
    with contextlib.suppress(OSError):
        admin_password_path(folder, name).unlink(missing_ok=True)
