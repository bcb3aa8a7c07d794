"""The original's JUPYTERHUB_CRYPT_KEY beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.errors import ClassroomError
from classroom.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def keep(state: Path, keys: Sequence[str]) -> str:
    """Have keys of another hub decrypt too; the present one goes on encrypting.

    Args:
        state: the state directory.
        keys: hexadecimal or Base64, 32 bytes each.

    Returns:
        what the operator should know; empty where there was nothing to do.

    Raises:
        ClassroomError: the file cannot be read or written.
    """
    path = state / "secrets" / "crypt-key"
    if not keys:
        return ""
    try:
        present = path.read_text(encoding="utf-8").strip().split(";")
    except FileNotFoundError:
        return "JUPYTERHUB_CRYPT_KEY of .env: add it, behind a semicolon, to the file that secrets.cryptKey names"
    except (OSError, UnicodeDecodeError) as error:
        raise ClassroomError(f"{path}: cannot be read ({error}); run this as root") from error
    missing = [key for key in keys if key not in present]
    if not missing:
        return ""
    write_atomically(path, ";".join([*present, *missing]) + "\n")
    return f"JUPYTERHUB_CRYPT_KEY of .env is a second key in {path} now: restart the hub (nobody's work ends)"
