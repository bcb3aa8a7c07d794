"""What all commands share: the settings file, output for people and for programs, exit statuses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from classroom.settings.file import load_settings
from classroom.settings.models import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from classroom.hub_api import HubClient

SettingsFile = Annotated[
    Path,
    typer.Option("--settings", "-s", envvar="CLASSROOM_SETTINGS", help="The settings file (JSON or TOML)."),
]
DEFAULT_SETTINGS = Path("/etc/classroom/settings.json")
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def show(shown: RenderableType, data: object, *, as_json: bool = False) -> None:
    """Print a result: `shown` for people, or `data` as JSON for programs."""
    if as_json:
        typer.echo(json.dumps(data, indent=2, default=str))
    else:
        Console().print(shown)


def hub_of(settings_file: Path) -> tuple[Settings, HubClient]:
    """The settings, and the hub that runs with them.

    Raises:
        ClassroomError: the settings are wrong, or the hub's token cannot be read.
    """
    from classroom.hub_api import HubClient  # noqa: PLC0415 - takes a while to import

    settings = load_settings(settings_file)
    return settings, HubClient.of(settings)


def table(*headings: str, rows: Iterable[Iterable[str]]) -> Table:
    """A plain table. What it shows comes from people: nothing in it is markup."""
    made = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def when(moment: str | None) -> str:
    """A time as the hub writes it, in the zone of this machine."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else ""


def conclude(answer: Mapping[str, Any], done: str, unchanged: str) -> None:
    """Say what became of each name.

    Args:
        answer: the hub's.
        done: what was done with the names under `changed`, such as "Approved".
        unchanged: why nothing was to be done, such as "approved already".
    """
    if answer["changed"]:
        typer.echo(f"{done}: {', '.join(answer['changed'])}.")
    for name in answer["unchanged"]:
        typer.echo(f"{name}: {unchanged}.")
    for name in answer["unknown"]:
        typer.echo(f"{name}: there is no such account. See: classroom users list", err=True)
    for name, why in answer["refused"].items():
        typer.echo(f"{name}: {why}", err=True)


def demand_done(answer: Mapping[str, Any]) -> None:
    """End with exit status 1 if something could not be done."""
    if answer["unknown"] or answer["refused"]:
        raise typer.Exit(1)
