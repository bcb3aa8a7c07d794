"""The one error that an operator is meant to read."""

from __future__ import annotations


class ClassroomError(Exception):
    """Something the operator can mend.

    The message says what is wrong and what to do. The CLI prints it and exits with `exit_status`, without a traceback.
    """

    exit_status = 1
    """1: refused, or a mistake. Others are in docs/how-to/accounts.md; 2 is a usage error's."""
