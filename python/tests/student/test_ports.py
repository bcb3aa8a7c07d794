from __future__ import annotations

import pytest

pytest.importorskip("tornado")

from classroom.student.ports import without_logins


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        pytest.param("jupyterhub-user-ada=2|1:0|secret; session=flask", "session=flask", id="a login first"),
        pytest.param("a=1;jupyterhub-session-id=x;b=2", "a=1; b=2", id="no blanks"),
        pytest.param("a=1; jupyterhub-user-ada=x; ", "a=1", id="an end that tornado refuses"),
        pytest.param("jupyterhub-user-ada=x", "", id="nothing else"),
        pytest.param("theme=jupyterhub-user-ada", "theme=jupyterhub-user-ada", id="the name as a value"),
    ],
)
def test_a_students_program_gets_its_own_cookies_and_no_login(cookies: str, left: str) -> None:
    assert without_logins(cookies) == left
