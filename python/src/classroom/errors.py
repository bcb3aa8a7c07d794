"""Base of the errors that an operator reads."""

from __future__ import annotations


class ClassroomError(Exception):
    """Problem that the operator can fix.

    The message says what is wrong and what to do. The CLI prints it and exits with `exit_status`, without a traceback.
    """

    exit_status = 1
    """1: refused, or a mistake. Others are in docs/how-to/accounts.md; 2 is a usage error's."""
