"""Keys of the `--json` output of each command, as recorded in json_output.json.

`CLASSROOM_RECORD_JSON=1` writes a new record, for an intended change.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from behaviour.gpu_class import Class
    from behaviour.terminal import Terminal

RECORD = Path(__file__).with_name("json_output.json")
COMMANDS = [
    "users list",
    "users codes",
    "users admin",
    "servers list",
    "announce",
    "gpus",
    "gpus reservations",
    "storage",
    "upgrade status",
]

pytestmark = pytest.mark.timeout(300)


def keys(value: Any) -> Any:
    """Return the keys of an object; of a list those of all its entries together; nothing of values."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        entries = [keys(inner) for inner in value]
        merged: dict[str, Any] = {}
        for entry in entries:
            merged |= entry if isinstance(entry, dict) else {}
        return [merged] if merged else []
    return None


def test_the_json_output_has_the_recorded_keys(room: Class, terminal: Terminal) -> None:
    room.rules("shared")
    room.started()
    room.student()
    assert terminal.run("announce", "The lecture begins at ten.").returncode == 0
    invited = terminal.ask("users", "invite", "--count", "1")
    reserved = terminal.ask("gpus", "reserve", "1", "--from", "2h", "--to", "1h")
    try:
        shapes = {command: keys(terminal.ask(*command.split())) for command in COMMANDS}
        shapes |= {"users invite": keys(invited), "gpus reserve": keys(reserved)}
    finally:
        terminal.run("announce", "--clear")
        terminal.run("gpus", "cancel", str(reserved["id"]))
        terminal.run("users", "codes", "--revoke-all")
    for command in ("doctor", "gpus test"):  # exit with 1 here: the engine is not managed, the GPUs are simulated
        shapes[command] = keys(json.loads(terminal.run(*command.split(), "--json").stdout))
    if os.environ.get("CLASSROOM_RECORD_JSON"):
        RECORD.write_text(json.dumps(shapes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert shapes == json.loads(RECORD.read_text(encoding="utf-8"))
