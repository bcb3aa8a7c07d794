from __future__ import annotations

import io
import json
import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jupyter_events import EventLogger

from classroom.audit import events, log
from classroom.audit.events import THE_HUB, Action
from classroom.audit.log import AuditFile, AuditLog

SERVER_ACTION = {
    "$id": "https://schema.jupyter.org/jupyterhub/events/server-action",
    "version": "1",
    "title": "JupyterHub server events",
    "type": "object",
    "properties": {name: {"title": name, "type": "string"} for name in ("action", "username", "servername")},
}


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[EventLogger]:
    logger = EventLogger()
    logger.register_event_schema(SERVER_ACTION)
    file = AuditFile(tmp_path / "audit", 86400 * 30)
    events.connect(AuditLog(logger, file, logging.StreamHandler(io.StringIO())))
    yield logger
    events.connect(None)
    file.close()


def written(tmp_path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (tmp_path / "audit" / log.FILE_NAME).read_text().splitlines()]


@pytest.mark.usefixtures("logger")
def test_an_event_is_one_line_that_only_the_hub_can_read(tmp_path: Path) -> None:
    events.record(Action.REMOVED, "ada", by=THE_HUB, detail="why")
    (event,) = written(tmp_path)
    assert event.pop("time").endswith("+00:00")
    assert event == {"action": "removed", "user": "ada", "by": "the hub", "detail": "why"}
    assert stat.S_IMODE((tmp_path / "audit" / log.FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


@pytest.mark.usefixtures("logger")
def test_a_hostile_name_forges_no_line_and_no_escape(tmp_path: Path) -> None:
    events.record(Action.ANNOUNCED, 'a\n{"action": "login"}\x1b[2J\u202e', by="ada", detail="x" * 5000)
    (event,) = written(tmp_path)
    assert event["user"] == 'a\\n{"action": "login"}\\x1b[2J\\u202e'
    assert len(event["detail"]) == 300
    assert (tmp_path / "audit" / log.FILE_NAME).read_bytes().isascii()


def test_a_server_that_jupyterhub_starts_is_recorded_with_who_asked(tmp_path: Path, logger: EventLogger) -> None:
    events.begin_request(lambda: ("teacher", "192.0.2.1"))
    try:
        data = {"action": "start", "username": "ada", "servername": ""}
        logger.emit(schema_id=SERVER_ACTION["$id"], data=data)
    finally:
        events.begin_request(lambda: ("", ""))
    (event,) = written(tmp_path)
    del event["time"]
    assert event == {"action": "server-started", "user": "ada", "by": "teacher", "address": "192.0.2.1"}


@pytest.mark.usefixtures("logger")
def test_a_flood_of_failed_logins_neither_fills_the_disk_nor_hides_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_DAILY", 3)
    for _ in range(10):
        events.record(Action.LOGIN_FAILED)
    events.record(Action.LOGIN, "ada")
    assert [event["action"] for event in written(tmp_path)] == ["login-failed"] * 3 + ["omitted", "login"]


@pytest.mark.usefixtures("logger")
def test_a_flood_of_one_address_does_not_hide_what_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_OF_ADDRESS", 2)
    for address in (*["2001:db8::1", "2001:db8::2"] * 3, "192.0.2.1"):
        events.begin_request(lambda address=address: ("", address))
        events.record(Action.LOGIN_FAILED)
    events.begin_request(lambda: ("", ""))
    found = [(event["action"], event["address"]) for event in written(tmp_path)]
    assert found == [
        ("login-failed", "2001:db8::1"),
        ("login-failed", "2001:db8::2"),
        ("omitted", "2001:db8::/64"),
        ("login-failed", "192.0.2.1"),
    ]


def test_the_events_of_another_day_are_in_a_file_of_that_day(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    first = AuditFile(directory, 86400 * 30)
    first.emit(logging.makeLogRecord({"msg": "first"}))
    first.close()
    day = datetime.now(UTC) - timedelta(days=3)
    os.utime(directory / log.FILE_NAME, (day.timestamp(), day.timestamp()))
    second = AuditFile(directory, 86400 * 30)
    second.emit(logging.makeLogRecord({"msg": "second"}))
    second.close()
    older = directory / f"{log.FILE_NAME}.{day:%Y-%m-%d}"
    assert {file.name: file.read_text() for file in directory.iterdir()} == {
        older.name: "first\n",
        log.FILE_NAME: "second\n",
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


def test_files_that_are_too_old_are_deleted_and_others_stay(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    directory.mkdir()
    for name in ("audit.jsonl.2020-01-01", "audit.jsonl.2999-01-01", "audit.jsonl.copy"):
        (directory / name).touch()
    AuditFile(directory, 86400).close()
    assert sorted(file.name for file in directory.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.2999-01-01",
        "audit.jsonl.copy",
    ]


def test_nothing_is_recorded_outside_the_hub() -> None:
    events.record(Action.LOGIN, "ada")
