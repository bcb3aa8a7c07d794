"""`classroom adopt`: migration from the docker-compose project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    SettingsFile,
    build_table,
    print_json,
    print_result,
    show_progress,
)
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from classroom.migrate_compose.migration import Outcome, Row

_ACTIONS = {
    "add": "new, with the old password",
    "give-password": "gets the old password",
    "nothing": "there already",
}
_STATES = {"waiting": "; waits for approval", "closed": "; closed"}


def adopt(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The project's directory, with its docker-compose.yml.")
    ],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done, and do nothing.")] = False,
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="jupyterhub.sqlite, if it is elsewhere.")
    ] = None,
    notebooks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The students' directories, if they are elsewhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take over accounts with passwords, files and keys of the docker-compose project, which is only read.

    Files go into the directory work of each home. The command prints the lines
    for the settings; it does not write them. A second run changes nothing; after
    a kill, run it again and it continues.
    """
    from classroom.migrate_compose.imported_settings import as_lines  # noqa: PLC0415 - as below
    from classroom.migrate_compose.migration import Takeover  # noqa: PLC0415 - the engine's client takes a while to import

    is_new = dry_run and settings_file == DEFAULT_SETTINGS and not settings_file.exists()
    takeover = Takeover(Settings() if is_new else load_settings(settings_file), folder, database, notebooks)
    if dry_run:
        outcome = takeover.plan()
    else:
        with show_progress("Homes", quiet=as_json) as progress:
            outcome = takeover.carry_out(progress)
    if as_json:
        print_json(outcome.as_data() | {"dryRun": dry_run})
    else:
        _print_outcome(outcome, dry_run=dry_run)
        if outcome.settings:
            typer.echo(f"\nThe project's settings that {settings_file} does not have; write what you want to keep:")
            for line in as_lines(outcome.settings, _settings_syntax(settings_file)):
                typer.echo(f"    {line}")
        if dry_run:
            typer.echo("\nNothing was done: this was a dry run.")
    if outcome.left and not dry_run:
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome, *, dry_run: bool) -> None:
    rows = ((row.name, _account_text(row), _files_text(row, dry_run=dry_run)) for row in outcome.rows)
    if outcome.rows:
        print_result(build_table("Name", "Account", "Files", rows=rows), None, as_json=False)
    for note in outcome.notes:
        typer.echo(f"{note}.")
    for message in outcome.left:
        typer.secho(f"Left behind. {message}.", err=True)
    if not dry_run and all(row.deed == "nothing" for row in outcome.rows) and not outcome.left:
        typer.echo("All is taken over.")


def _account_text(row: Row) -> str:
    return _ACTIONS[row.deed] + (_STATES.get(row.standing, "") if row.deed == "add" else "")


def _files_text(row: Row, *, dry_run: bool) -> str:
    if row.found is None:
        return ""
    counted = f"{row.found.files} ({format_bytes(row.found.size)})"
    if row.done:
        return f"{counted} in work"
    return f"{counted} to work" if dry_run else f"{counted} not yet"


def _settings_syntax(settings_file: Path) -> str:
    if str(settings_file.resolve()).startswith("/nix/store/"):
        return "nix"
    return "toml" if settings_file.suffix == ".toml" else "json"
