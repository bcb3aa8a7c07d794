"""Contents manager with atomic saves: one that does not fit leaves the saved file intact, and says so."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from nbformat.sign import MemorySignatureStore
from tornado.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_INSUFFICIENT_STORAGE = 507


@contextmanager
def atomic_replace(path: str, *, text: bool = True, encoding: str = "utf-8") -> Iterator[IO[Any]]:
    """Write a temporary file, and replace the one at `path` when all of it is on the disk.

    Upstream overwrites the file and keeps a copy of the old one. On a full disk the first save leaves half a file, and
    the second (Lab saves every two minutes by itself) overwrites the copy with that half.
    """
    target = Path(path).resolve()
    draft = target.with_name(f".~{target.name}")
    try:
        with draft.open("w", encoding=encoding, newline="\n") if text else draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            draft.chmod(target.stat().st_mode & 0o7777)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is a full disk or a used-up quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def explain_full_home(path: str) -> Iterator[None]:
    """Replace "no space left on device" by a message with the remedy.

    Raises:
        HTTPError: 507, when the disk or the quota is full.
    """
    try:
        yield
    except (HTTPError, OSError) as error:
        if not is_disk_full(error):
            raise
        message = (
            f"Your home is full, so {path.strip('/') or 'this file'} was not saved. The version saved before is "
            "unharmed. Delete files that you no longer need, then save again."
        )
        raise HTTPError(_INSUFFICIENT_STORAGE, message) from error


class StudentContentsManager(AsyncLargeFileManager):
    """Upstream's manager with atomic saves and the message about a full home."""

    def mark_trusted_cells(self, nb: Any, path: str = "") -> None:  # noqa: ANN401 - nbformat's
        """Mark the cells of a notebook that is opened. Looking its signature up writes to a database in the home."""
        try:
            super().mark_trusted_cells(nb, path)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            self.log.warning("The list of trusted notebooks is in memory from now on: %s", error)
            self.notary.store = MemorySignatureStore()  # type: ignore[no-untyped-call]
            super().mark_trusted_cells(nb, path)  # type: ignore[no-untyped-call]

    @contextmanager
    def atomic_writing(self, os_path: str, text: bool = True, encoding: str = "utf-8", **_: Any) -> Iterator[IO[Any]]:  # noqa: ANN401, FBT001, FBT002 - upstream's signature
        """Open a file for writing that replaces the one at `os_path` at the end."""
        directory = Path(os_path).resolve().parent
        if not os.access(directory, os.W_OK):
            # The file is writable, its directory is not (shared material): upstream writes in place.
            with super().atomic_writing(os_path, text=text, encoding=encoding) as file:
                yield file
            return
        with self.perm_to_403(os_path), atomic_replace(os_path, text=text, encoding=encoding) as file:
            yield file

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, a notebook, a folder or one part of a large file."""
        with explain_full_home(path):
            saved: dict[str, Any] = await super().save(model, path)  # type: ignore[no-untyped-call]
            return saved

    async def create_checkpoint(self, path: str) -> dict[str, Any]:
        """Copy the saved file to its checkpoint."""
        with explain_full_home(f"the checkpoint of {path}"):
            checkpoint: dict[str, Any] = await super().create_checkpoint(path)  # type: ignore[no-untyped-call]
            return checkpoint
