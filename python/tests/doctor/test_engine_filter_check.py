"""The hub's rights to the engine's socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from classroom.doctor import engine_filter
from classroom.doctor.checks import State
from classroom.settings.models import Settings


def findings(**docker: str | None) -> list[tuple[State, str]]:
    found = engine_filter.check_filter(Settings.model_validate({"docker": docker}))
    return [(finding.state, finding.message) for finding in found]


def test_a_hub_with_the_engines_own_socket_is_found() -> None:
    ((state, message),) = findings()
    assert state is State.WARNING
    assert "the machine is theirs" in message


def test_a_filter_that_does_not_answer_is_found(tmp_path: Path) -> None:
    ((state, message),) = findings(filter=f"{tmp_path}/none.sock")
    assert state is State.WRONG
    assert "no server can start" in message


@pytest.mark.parametrize(
    ("mode", "owner", "group", "uid", "groups", "may"),
    [
        pytest.param(0o660, 0, 131, 990, {990}, False, id="other"),
        pytest.param(0o660, 0, 131, 990, {990, 131}, True, id="group"),
        pytest.param(0o660, 990, 131, 990, {990}, True, id="owner"),
        pytest.param(0o666, 0, 131, 990, {990}, True, id="everybody"),
        pytest.param(0o060, 990, 131, 990, {131}, False, id="the_owner_before_the_group"),
        pytest.param(0o600, 990, 990, 0, {0}, True, id="root"),
        pytest.param(0o000, 0, 0, 0, {0}, False, id="hidden"),
    ],
)
def test_rights_to_a_socket(
    mode: int, owner: int, group: int, uid: int, groups: set[int], *, may: bool, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    found = (tmp_path / "s").stat()
    status = os.stat_result((found.st_mode & ~0o777 | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    assert engine_filter.may_connect(status, uid, groups) is may
    assert not engine_filter.may_connect(tmp_path.stat(), 0, {0})
