"""Log of the hub without what people type by mistake."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED_LOGIN = "Failed login for %r"  # of JupyterHub's BaseHandler.login_user


class UnknownNames(logging.Filter):
    """Hides names without an account in lines about failed logins: people type passwords into the field of the name.

    Args:
        is_known: returns whether an account has a name.
    """

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_known = is_known

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, with the name replaced if it is unknown."""
        if record.msg == _FAILED_LOGIN and isinstance(record.args, tuple) and not self._is_known(str(record.args[0])):
            record.args = ("an unknown name",)
        return True
