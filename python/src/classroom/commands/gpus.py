"""`classroom gpus`: who holds which GPU."""

from __future__ import annotations

import typer

from classroom.commands.common import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.settings import load_settings

app = typer.Typer(help="The GPUs of this machine.")


@app.callback(invoke_without_command=True)
def gpus(
    context: typer.Context,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Show the GPUs of this machine: who holds which, since when, by which policy."""
    if context.invoked_subcommand:
        return
    from classroom.gpus.report import look  # noqa: PLC0415 - the engine's client takes a while to import

    found = look(load_settings(settings_file))
    show(found.as_table(), found.as_data(), as_json=as_json)
    if not as_json:
        for mistake in found.mistakes:
            typer.secho(mistake, err=True)
