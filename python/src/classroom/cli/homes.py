"""`classroom homes`: the move of homes between volumes of the engine and directories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, print_json, print_text, show_progress
from classroom.settings.file import load_settings

app = typer.Typer(help="Students' homes.", no_args_is_help=True)


@app.command()
def move(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Students; without names, all homes.")
    ] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    old: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="The directory of the old homes; without it, volumes.")
    ] = None,
    remove_old: Annotated[
        bool, typer.Option("--remove-old", help="Remove the old homes that have been moved, and move nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy homes to where `storage` in the settings wants them. The old ones stay, until --remove-old.

    Each copy is compared with the old home, also owners, modes, times, links and
    attributes. Homes of running servers are left as they are. A second run
    changes nothing; after a kill, run it again and it continues.
    """
    from classroom.backup import move as moving  # noqa: PLC0415 - the engine's client takes a while to import

    settings = load_settings(settings_file)
    if remove_old:
        report = moving.remove_old(settings, old, names or ())
    else:
        with show_progress("Homes", quiet=as_json) as progress:
            report = moving.move_homes(settings, old, names or (), progress)
    if as_json:
        print_json({"moved": report.moved, "done": report.done, "removed": report.removed, "problems": report.problems})
    elif remove_old:
        print_text(f"Old homes removed: {len(report.removed)}.")
    else:
        print_text(f"Homes moved: {len(report.moved)}; moved before: {len(report.done)}.")
    if not as_json:
        for problem in report.problems:
            print_text(f"Left as it is: {problem}.", err=True)
    if report.problems:
        raise typer.Exit(1)
