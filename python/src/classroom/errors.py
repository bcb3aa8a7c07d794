"""The one error that an operator is meant to read."""

from __future__ import annotations


class ClassroomError(Exception):
    """Something the operator can mend.

    The message says what is wrong and what to do. The CLI prints it and exits 1; no traceback is shown.
    """
