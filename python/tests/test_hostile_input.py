"""Readers of what others write: each input gives a value or the error that names the problem, never a traceback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from classroom.accounts.names import new_username
from classroom.accounts.roster_csv import parse_roster
from classroom.backup.manifest import parse_manifest
from classroom.cli.time_args import parse_lifetime, parse_time
from classroom.errors import ClassroomError, printable
from classroom.gpus.cdi import parse_specification
from classroom.gpus.telemetry.sample import read_sample
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.storage.helper import handle_request

# The time limit of one example is off: the machine may be busy.
bounded = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
DEEP = "[" * 100_000
LONG = "9" * 5000
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just(LONG)
KEYS = st.sampled_from([*Settings.model_json_schema(by_alias=True)["properties"], "devices", "name", "kind", "format"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=9), inner, max_size=4)
)


def refuses_or_reads(read: Callable[[], object]) -> None:
    """Call a reader; another error than those for people fails the test."""
    with contextlib.suppress(ClassroomError, typer.BadParameter):
        read()


@bounded
@given(
    content=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()),
    suffix=st.sampled_from(["json", "toml"]),
)
@example(content=DEEP.encode(), suffix="json")
@example(content=b"a = " + DEEP.encode(), suffix="toml")
@example(content=b'{"culling": {"idle": "' + LONG.encode() + b's"}}', suffix="json")
@example(content=b'{"culling": {"idle": ' + LONG.encode() + b"}}", suffix="json")
@example(content=b'{"site": "\\ud800"}', suffix="json")
@example(content=b'{"groups": {"\\ud800": {}}}', suffix="json")
def test_a_settings_file(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"settings.{suffix}"
    file.write_bytes(content)
    refuses_or_reads(lambda: load_settings(file, {}))


@bounded
@given(section=KEYS, values=st.dictionaries(st.text(max_size=12), SCALARS, max_size=4), data=st.data())
def test_settings_with_known_keys_and_odd_values(
    section: str, values: dict[str, Any], data: st.DataObject, tmp_path: Path
) -> None:
    schema = Settings.model_json_schema(by_alias=True)
    known = schema["$defs"].get(section.capitalize(), {}).get("properties", {})
    for key in data.draw(st.lists(st.sampled_from(sorted(known)), max_size=4)) if known else ():
        values[key] = data.draw(JSON)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({section: values}))
    refuses_or_reads(lambda: load_settings(file, {}))


@bounded
@given(raw=st.binary(max_size=400) | st.lists(st.lists(st.text(max_size=9)), max_size=9).map(
    lambda rows: "\n".join(["name,full name,group", *(",".join(row) for row in rows)]).encode(errors="replace")
))  # fmt: skip
@example(raw=b"sep=\n")
@example(raw=b'sep="\nname"full name')
@example(raw=b"name\r\n" + b'"' * 99)
@example(raw=b"\xff\xfe\x00\xd8")
@example(raw=b"name\n" + b"x" * 200_000)
def test_a_class_list(raw: bytes) -> None:
    refuses_or_reads(lambda: parse_roster(raw))


@bounded
@given(text=st.text(max_size=300) | JSON.map(json.dumps), is_yaml=st.booleans())
@example(text=DEEP, is_yaml=False)
@example(text=DEEP, is_yaml=True)
@example(text="a: &a [*a]", is_yaml=True)
@example(text="!!python/object/apply:os.system [id]", is_yaml=True)
@example(text=f'{{"cdiVersion": {LONG}, "kind": {LONG}, "devices": [{{"name": {LONG}}}]}}', is_yaml=False)
@example(text=f"kind: {LONG}\ndevices: [name: {LONG}]", is_yaml=True)
@example(text="kind: 2026-99-99", is_yaml=True)
def test_a_specification_of_gpus(text: str, *, is_yaml: bool) -> None:
    refuses_or_reads(lambda: parse_specification(text, is_yaml=is_yaml))


@bounded
@given(text=st.text(max_size=300) | JSON.map(json.dumps))
@example(text=DEEP)
@example(text=f'{{"taken": {LONG}}}')
def test_the_measurements_of_the_collector(text: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.json"
    file.write_text(text, encoding="utf-8", errors="replace")
    refuses_or_reads(lambda: read_sample(file))


@bounded
@given(text=st.text(max_size=300) | JSON.map(json.dumps))
@example(text=DEEP)
@example(text='{"format": 1, "homes": [1]}')
@example(text='{"format": 1, "made": 1, "host": 1, "prefix": 1, "versions": 1, "database": {}, "folder": {}}')
def test_the_manifest_of_a_backup(text: str) -> None:
    refuses_or_reads(lambda: parse_manifest(text))


@bounded
@given(request=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
@example(request=DEEP.encode())
@example(request=b'{"action": "make", "home": "classroom-home-\\u0000"}')
@example(request=b'{"action": "use", "home": "classroom-home-../x"}')
def test_a_request_to_the_helper_of_homes(request: bytes, tmp_path: Path) -> None:
    store = tmp_path / "homes"
    store.mkdir(mode=0o711, exist_ok=True)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"storage": {"kind": "directory", "path": str(store)}}))
    refuses_or_reads(lambda: handle_request(request, file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["homes", "settings.json"]


@bounded
@given(text=st.text(max_size=30) | st.from_regex(r"\d{1,30}[smhdw]", fullmatch=True))
@example(text=LONG + "m")
@example(text="99999999999h")
@example(text="٣h")
@example(text="0001-01-01")
@example(text="9999-12-31T23:59:59-23:59")
@example(text="24:00")
def test_times_at_the_terminal(text: str) -> None:
    refuses_or_reads(lambda: parse_time(text, datetime(2027, 1, 15, 12, tzinfo=UTC), "--from"))
    refuses_or_reads(lambda: parse_lifetime(text, "--lasts"))


@bounded
@given(typed=st.text(max_size=60))
@example(typed="teach3r")
@example(typed="..")
@example(typed="\u212aelvin")
def test_a_new_name_is_safe_in_paths_commands_and_terminals(typed: str) -> None:
    try:
        name = new_username(typed, ["teacher"])
    except ClassroomError:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\ $`'\"<>&;|*?:~\n")
    assert not name.startswith(("-", "."))


@given(text=st.text())
@example(text="\ud800\udcff")
def test_what_is_printed_has_no_control_character(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_a_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match="cannot be read"):
        load_settings(tmp_path, {})
