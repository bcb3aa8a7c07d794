from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from classroom.hub_api import HUB_AGENT
from classroom.web.requester import requester_of


def request(user: SimpleNamespace | None, agent: str = "Mozilla/5.0") -> Any:
    handler = SimpleNamespace(request=SimpleNamespace(remote_ip="192.0.2.1", headers={"User-Agent": agent}))
    if user is not None:
        handler._jupyterhub_user = user  # noqa: SLF001 - upstream sets it
    return cast("Any", handler)


@pytest.mark.parametrize(
    ("user", "agent", "expected"),
    [
        (None, "", ("", "192.0.2.1")),
        (("user", "ada"), "", ("ada", "192.0.2.1")),
        (("user", "ada"), HUB_AGENT, ("ada", "192.0.2.1")),
        (("user", "cli"), HUB_AGENT, ("cli", "192.0.2.1")),
        (("service", "cli"), "classroom", ("the command line", "192.0.2.1")),
        (("service", "cli"), HUB_AGENT, ("the hub", "")),
        (("service", "culler"), "", ("service culler", "192.0.2.1")),
    ],
)
def test_the_log_names_who_asked(user: tuple[str, str] | None, agent: str, expected: tuple[str, str]) -> None:
    person = None if user is None else SimpleNamespace(kind=user[0], name=user[1])
    assert requester_of(request(person, agent)) == expected


def test_before_there_is_a_handler_nobody_asked() -> None:
    assert requester_of(None) == ("", "")
