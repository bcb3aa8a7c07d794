"""Errors of account forms and requests."""

from __future__ import annotations

from classroom.errors import ClassroomError


class AccountError(ClassroomError):
    """A message for the person at the form, with the HTTP status that goes with it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class NameTakenError(AccountError):
    """An account of that name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The username {name} is taken. Choose another one, or sign in if it is yours.", 409)
