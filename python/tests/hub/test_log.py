from __future__ import annotations

import inspect
import logging

from jupyterhub.handlers.base import BaseHandler

from classroom.hub.log import UnknownNames


def shown(message: str, *arguments: object) -> str:
    record = logging.LogRecord("hub", logging.WARNING, "", 0, message, arguments, None)
    assert UnknownNames(lambda name: name == "ada").filter(record)
    return record.getMessage()


def test_a_password_in_the_field_of_the_name_is_not_logged() -> None:
    assert shown("Failed login for %r", "four plain words") == "Failed login for 'an unknown name'"


def test_the_name_of_an_account_and_other_lines_are_logged() -> None:
    assert shown("Failed login for %r", "ada") == "Failed login for 'ada'"
    assert shown("User logged in: %s", "bob") == "User logged in: bob"
    assert shown("no arguments") == "no arguments"


def test_the_line_is_still_jupyterhubs() -> None:
    assert '"Failed login for %r"' in inspect.getsource(BaseHandler.login_user)
