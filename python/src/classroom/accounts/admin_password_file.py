"""Files with the instructors' one-time passwords; only the hub's user can read them."""

from __future__ import annotations

import contextlib
from pathlib import Path

from classroom.files import write_atomically


def admin_password_path(directory: str, name: str) -> Path:
    """Return the file that holds an instructor's one-time password until the instructor changes it."""
    return Path(directory) / f"first-password-{name}"


def write_admin_password(directory: str, name: str, password: str) -> Path:
    """Write the file atomically (0600) and return its path.

    Raises:
        OSError: the directory cannot be created.
        ClassroomError: the file cannot be written.
    """
    path = admin_password_path(directory, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, password + "\n")
    return path


def delete_admin_password(directory: str, name: str) -> None:
    """Delete the file, if it exists: the password was changed."""
    with contextlib.suppress(OSError):
        admin_password_path(directory, name).unlink(missing_ok=True)
