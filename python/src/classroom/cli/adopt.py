"""`classroom adopt`: the docker-compose project that this one replaces, taken over."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show, table
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classroom.migrate_compose.migration import Outcome, Row

_WORDS = {
    "add": "new, with the old password",
    "give-password": "gets the old password",
    "nothing": "there already",
}
_STANDING = {"waiting": "; waits for approval", "closed": "; closed"}


def adopt(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The original's folder, with its docker-compose.yml.")],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and do nothing.")] = False,
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="jupyterhub.sqlite, where it is elsewhere.")
    ] = None,
    notebooks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The students' folders, where they are elsewhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take over accounts with their passwords, files and keys of the docker-compose project, which is only read.

    Files go into the folder work of each home. The lines for the settings are
    printed: they are yours to write. A second run changes nothing; one that
    was killed goes on.
    """
    from classroom.migrate_compose.imported_settings import as_lines  # noqa: PLC0415 - as above
    from classroom.migrate_compose.migration import Takeover  # noqa: PLC0415 - the engine's client takes a while to import

    is_new = dry_run and settings_file == DEFAULT_SETTINGS and not settings_file.exists()
    takeover = Takeover(Settings() if is_new else load_settings(settings_file), folder, database, notebooks)
    if dry_run:
        outcome = takeover.plan()
    else:
        with _progress(quiet=as_json) as progress:
            outcome = takeover.carry_out(progress)
    if as_json:
        show("", outcome.as_data() | {"dryRun": dry_run}, as_json=True)
    else:
        _tell(outcome, dry_run=dry_run)
        if outcome.settings:
            typer.echo(f"\nThe original's settings that {settings_file} does not have; write what you want to keep:")
            for line in as_lines(outcome.settings, _style(settings_file)):
                typer.echo(f"    {line}")
    if dry_run:
        if not as_json:
            typer.echo("\nNothing was done: this was a dry run.")
    elif outcome.left:
        raise typer.Exit(1)


def _tell(outcome: Outcome, *, dry_run: bool) -> None:
    rows = ((row.name, _account(row), _files(row, dry_run=dry_run)) for row in outcome.rows)
    if outcome.rows:
        show(table("Name", "Account", "Files", rows=rows), None)
    for note in outcome.notes:
        typer.echo(f"{note}.")
    for sentence in outcome.left:
        typer.secho(f"Left behind. {sentence}.", err=True)
    if not dry_run and all(row.deed == "nothing" for row in outcome.rows) and not outcome.left:
        typer.echo("All is taken over.")


def _account(row: Row) -> str:
    return _WORDS[row.deed] + (_STANDING.get(row.standing, "") if row.deed == "add" else "")


def _files(row: Row, *, dry_run: bool) -> str:
    if row.found is None:
        return ""
    counted = f"{row.found.files} ({format_bytes(row.found.size)})"
    if row.done:
        return f"{counted} in work"
    return f"{counted} to work" if dry_run else f"{counted} not yet"


def _style(settings_file: Path) -> str:
    if str(settings_file.resolve()).startswith("/nix/store/"):
        return "nix"
    return "toml" if settings_file.suffix == ".toml" else "json"


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A line on the terminal; nothing where nobody looks."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _done, _of: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("Homes", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
