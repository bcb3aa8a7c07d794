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
    print_text,
    show_progress,
)
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from classroom.migrate_compose.migration import MigratedAccount, MigrationReport

_ACTIONS = {
    "add": "new, with the old password",
    "give-password": "gets the old password",
    "nothing": "exists already",
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
    """Migrate accounts with passwords, files and keys from a docker-compose project, which is only read.

    Files go into the directory work of each home. The command prints the lines
    for the settings; it does not write them. A second run changes nothing; after
    a kill, run it again and it continues.
    """
    from classroom.migrate_compose.imported_settings import format_settings  # noqa: PLC0415 - as below
    from classroom.migrate_compose.migration import Migration  # noqa: PLC0415 - the engine's client takes a while to import

    is_new = dry_run and settings_file == DEFAULT_SETTINGS and not settings_file.exists()
    migration = Migration(Settings() if is_new else load_settings(settings_file), folder, database, notebooks)
    if dry_run:
        report = migration.plan()
    else:
        with show_progress("Homes", quiet=as_json) as progress:
            report = migration.run(progress)
    if as_json:
        print_json(report.as_data() | {"dryRun": dry_run})
    else:
        _print_report(report, dry_run=dry_run)
        if report.settings:
            print_text(f"\nThe project's settings that {settings_file} does not have; write what you want to keep:")
            for line in format_settings(report.settings, _settings_syntax(settings_file)):
                print_text(f"    {line}")
        if dry_run:
            print_text("\nNothing was done: this was a dry run.")
    if report.problems and not dry_run:
        raise typer.Exit(1)


def _print_report(report: MigrationReport, *, dry_run: bool) -> None:
    rows = ((row.name, _account_text(row), _files_text(row, dry_run=dry_run)) for row in report.accounts)
    if report.accounts:
        print_result(build_table("Name", "Account", "Files", rows=rows), None, as_json=False)
    for note in report.notes:
        print_text(f"{note}.")
    for message in report.problems:
        print_text(f"Not migrated: {message}.", err=True)
    if not dry_run and all(row.action == "nothing" for row in report.accounts) and not report.problems:
        print_text("Everything has been migrated.")


def _account_text(row: MigratedAccount) -> str:
    return _ACTIONS[row.action] + (_STATES.get(row.status, "") if row.action == "add" else "")


def _files_text(row: MigratedAccount, *, dry_run: bool) -> str:
    if row.files is None:
        return ""
    counted = f"{row.files.files} ({format_bytes(row.files.size)})"
    if row.is_complete:
        return f"{counted} in work"
    return f"{counted} to work" if dry_run else f"{counted} not yet"


def _settings_syntax(settings_file: Path) -> str:
    if str(settings_file.resolve()).startswith("/nix/store/"):
        return "nix"
    return "toml" if settings_file.suffix == ".toml" else "json"
