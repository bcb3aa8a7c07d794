"""What all commands share: the settings file, output for people and for programs, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.console import RenderableType

SettingsFile = Annotated[
    Path,
    typer.Option("--settings", "-s", envvar="CLASSROOM_SETTINGS", help="The settings file (JSON or TOML)."),
]
DEFAULT_SETTINGS = Path("/etc/classroom/settings.json")
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def show(shown: RenderableType, data: object, *, as_json: bool) -> None:
    """Print a result: `shown` for people, or `data` as JSON for programs."""
    if as_json:
        typer.echo(json.dumps(data, indent=2, default=str))
    else:
        Console().print(shown)
