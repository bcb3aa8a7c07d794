"""Base of the errors that an operator reads."""

from __future__ import annotations

import errno
import os

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SQLITE_FULL = "database or disk is full"
_SQLITE_UNWRITABLE = ("attempt to write a readonly database", "unable to open database file", "disk I/O error")
"""SQLite's texts for a read-only file system, a disk without inodes, and a quota (https://sqlite.org/rescode.html)."""


class ClassroomError(Exception):
    """Problem that the operator can fix.

    The message says what is wrong and what to do. The CLI prints it and exits with `exit_status`, without a traceback.
    """

    exit_status = 1
    """1: refused, or a mistake. Others are in docs/how-to/accounts.md; 2 is a usage error's."""


class NoSpaceError(ClassroomError):
    """A disk takes no more data. Nothing else is wrong: the same works when there is space."""

    exit_status = 5
    status = 507
    """Of HTTP (RFC 4918, 11.5)."""


def no_space_reason(error: BaseException | None) -> str:
    """Return why a disk takes no data if an error has this cause: `The disk is full (...)`; empty otherwise."""
    while error is not None:
        if reason := _own_reason(error):
            return reason
        error = error.__cause__ or error.__context__
    return ""


def remedy(error: OSError, otherwise: str) -> str:
    """Return what to do after a failed write.

    Args:
        error: why it failed.
        otherwise: what to do if neither the disk nor a quota is full.
    """
    return "free space on its disk" if error.errno in _FULL else otherwise


def _own_reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, ClassroomError):
        # Other programs, such as restic and the engine, write the text.
        is_full = isinstance(error, NoSpaceError) or os.strerror(errno.ENOSPC).lower() in text.lower()
        return text if is_full else ""
    if isinstance(error, OSError):
        kind = "is full" if error.errno in _FULL else "cannot be written to" if error.errno == errno.EROFS else ""
        return f"The disk {kind} ({os.strerror(error.errno or 0)})." if kind else ""
    # SQLAlchemy repeats the text after the first error, without a cause.
    if type(error).__module__.partition(".")[0] not in {"sqlite3", "sqlalchemy"}:
        return ""
    if _SQLITE_FULL in text:
        return f"The disk is full ({_SQLITE_FULL})."
    found = next((reason for reason in _SQLITE_UNWRITABLE if reason in text), "")
    return f"The disk cannot be written to ({found})." if found else ""


def printable(text: str, keep: str = "") -> str:
    r"""Return text for a terminal, a log or a message; everything that is not shown as it is becomes an escape.

    Names of files and outputs of programs are students' texts. Without escapes they could clear the operator's
    screen (`\x1b`), add lines that look like ours, change the direction of text (`\u202e`), or stop the command
    (bytes that are not UTF-8).

    Args:
        text: any text.
        keep: characters that stay although they are not printable, such as the line breaks of our own messages.
    """
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
