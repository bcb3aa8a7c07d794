"""Template variables of every page: the class's title, the announcement, the number of waiting sign-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from classroom.accounts import service
from classroom.web.api.announcement import current_announcement

if TYPE_CHECKING:
    from jupyterhub.user import User
    from sqlalchemy.orm import Session


def template_vars(db: Session, title: str) -> dict[str, Any]:
    """Return the variables, for `JupyterHub.template_vars`; each page calls the functions again.

    Args:
        db: the hub's session.
        title: of the class.
    """

    def waiting(user: User | None) -> int:
        """Return the number for "Accounts" in the navigation."""
        if user is None or not getattr(user, "admin", False):
            return 0
        try:
            return service.waiting_count(db)
        except SQLAlchemyError:
            # The page that reports this error must not fail for the same reason.
            return 0

    def announcement(_user: User | None) -> str:
        """Return the announcement; empty without one."""
        try:
            current = current_announcement(db)
        except SQLAlchemyError:
            return ""  # as above
        return "" if current is None else current.text

    return {"classroom_title": title, "classroom_waiting": waiting, "classroom_announcement": announcement}
