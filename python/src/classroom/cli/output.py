"""Options, output for people and for programs, and exit statuses that all commands share."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from classroom.errors import printable
from classroom.settings.file import load_settings
from classroom.settings.models import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rich.console import RenderableType

    from classroom.hub_api import HubClient

SettingsFile = Annotated[
    Path,
    typer.Option("--settings", "-s", envvar="CLASSROOM_SETTINGS", help="Settings file (JSON or TOML)."),
]
DEFAULT_SETTINGS = Path("/etc/classroom/settings.json")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Usernames.", show_default=False)]
NamesOrAll = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Usernames.", show_default=False)]

_LAYOUT = "\n\t"
"""Characters that are not printable and stay in our own texts."""


_PLAIN = str.maketrans({"…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "→": "->", "×": "x"})  # noqa: RUF001 - the characters themselves


def allow_any_terminal() -> None:
    """Write characters that the terminal's encoding does not have as plain ones or as escapes, instead of failing."""
    codecs.register_error("classroom", _replace_characters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="classroom")


def _replace_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def print_json(data: object) -> None:
    """Print data for programs."""
    typer.echo(json.dumps(data, indent=2, default=str))


def print_text(text: str, *, err: bool = False, nl: bool = True, fg: str | None = None) -> None:
    """Print text for people. What it quotes from students cannot control the terminal (`classroom.errors.printable`).

    Line breaks stay: the text is ours. A quoted name is made printable where it becomes part of the text.
    """
    # With a file of its own, click does not take ASCII for a mistake and write UTF-8.
    typer.secho(printable(text, keep=_LAYOUT), file=sys.stderr if err else sys.stdout, nl=nl, fg=fg)


def print_result(text: RenderableType, data: object, *, as_json: bool) -> None:
    """Print `text` for people, or `data` for programs."""
    if as_json:
        print_json(data)
    else:
        console = Console()
        segments = (
            Segment(printable(segment.text, keep=_LAYOUT), segment.style, segment.control)
            for segment in console.render(text)
        )
        console.print(Segments(segments), end="")


def connect_to_hub(settings_file: Path) -> tuple[Settings, HubClient]:
    """Return the settings, and a client of the hub that runs with them.

    Raises:
        ClassroomError: the settings are invalid, or the hub's token cannot be read.
    """
    from classroom.hub_api import HubClient  # noqa: PLC0415 - takes a while to import

    settings = load_settings(settings_file)
    return settings, HubClient.of(settings)


def build_table(*headings: str, rows: Iterable[Iterable[str]]) -> Table:
    """Return a plain table. Its cells come from people, so no cell is read as markup or has line breaks."""
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def format_time(time: str | None) -> str:
    """Return an ISO 8601 time of the hub in the time zone of this machine; empty for None."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}" if time else ""


def print_outcome(answer: Mapping[str, Any], done: str, unchanged: str, *, as_json: bool) -> None:
    """Print what the hub did with each name.

    Args:
        answer: the hub's answer.
        done: what was done with the names under `changed`, such as "Approved".
        unchanged: why nothing was done with others, such as "approved already".
        as_json: print the answer itself.

    Raises:
        Exit: with status 1, if an account is unknown or the hub refused a name.
    """
    if as_json:
        print_json(answer)
    else:
        if changed := answer.get("changed"):
            print_text(f"{done}: {', '.join(changed)}.")
        for name in answer["unchanged"]:
            print_text(f"{name}: {unchanged}.")
        for name in answer["unknown"]:
            print_text(f"{name}: there is no such account. See: classroom users list", err=True)
        for name, reason in answer["refused"].items():
            print_text(f"{name}: {reason}", err=True)
    if answer["unknown"] or answer["refused"]:
        raise typer.Exit(1)


@contextlib.contextmanager
def show_progress(task: str, *, quiet: bool) -> Iterator[Callable[[float, float], None]]:
    """Yield a function that takes what is done and the total, shown on the terminal.

    Args:
        task: its name.
        quiet: show nothing; the same where the output is no terminal.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        identity = bar.add_task(task, total=None)
        yield lambda done, total: bar.update(identity, total=total, completed=done)
