"""Reasons for the end of a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from classroom.spawner import reasons

NEVER = (0.0, 0.0)


def container(**state: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "State": {"StartedAt": now, "FinishedAt": now, "ExitCode": 0, "OOMKilled": False} | state,
        "HostConfig": {"Memory": 8 * 1024**3},
    }


@pytest.mark.parametrize(
    ("state", "from_outside", "why", "because"),
    [
        ({"OOMKilled": True, "ExitCode": 137}, False, "memory", "it needed more than its memory of 8G"),
        ({"OOMKilled": True, "ExitCode": 1}, False, "itself", "its program ended by itself (exit code 1)"),
        ({"ExitCode": 137}, False, "itself", "its program was ended by a signal (SIGKILL)"),
        ({"ExitCode": 255}, False, "itself", "its program was ended by a signal (127)"),
        ({"ExitCode": 137}, True, "outside", "its container was stopped from outside"),
        ({}, False, "itself", "it was shut down from within"),
        ({"StartedAt": "2001-01-01T00:00:00.123456789Z"}, True, "machine", "the machine was restarted"),
        ({"StartedAt": "0001-01-01T00:00:00Z"}, False, "itself", "its container did not start"),
    ],
)
def test_a_death_is_explained_by_the_container(
    state: dict[str, Any],
    from_outside: bool,  # noqa: FBT001 - of the table
    why: str,
    because: str,
) -> None:
    found = reasons.death(container(**state), engine_away=NEVER, from_outside=from_outside)
    assert found[0] == why
    assert because in found[1]


def test_a_death_while_the_engine_was_away_is_the_engines() -> None:
    now = datetime.now(UTC).timestamp()
    died = container(ExitCode=143)
    assert reasons.death(died, engine_away=(now - 5, now + 5), from_outside=True)[0] == "engine"
    assert reasons.death(died, engine_away=(now - 900, now - 800), from_outside=True)[0] == "outside"


def test_a_container_that_is_gone_is_no_error() -> None:
    assert reasons.death(None, engine_away=NEVER, from_outside=False) == ("gone", "its container was removed")


@pytest.mark.parametrize(
    ("who", "idle", "why", "because"),
    [
        ("ada", 0, "owner", "you stopped it"),
        ("service culler", 7200, "idle", "it was not used for 2 h 0 min"),
        ("service culler", 10, "age", "it had run for as long as a server may run here"),
        ("teacher", 0, "instructor", "an instructor stopped it"),
        ("the command line", 0, "instructor", "an instructor stopped it"),
    ],
)
def test_a_stop_is_explained_by_who_asked_for_it(who: str, idle: float, why: str, because: str) -> None:
    assert reasons.stop(who, "ada", idle, 7200) == (why, because)
