"""Small files of the hub's: written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from classroom.database import own_like
from classroom.errors import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path


def write(file: Path, text: str) -> None:
    """Write a file of the hub's, for its owner only; on the disk when this returns.

    Raises:
        ClassroomError: it cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        own_like(draft, file.parent)
        draft.replace(file)
    except OSError as error:
        raise ClassroomError(f"{file}: cannot be written ({error.strerror}); free space or mend its owner") from error
    finally:
        draft.unlink(missing_ok=True)
