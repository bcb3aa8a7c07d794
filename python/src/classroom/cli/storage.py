"""`classroom storage`: what homes hold; and the helper that makes them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.settings.file import load_settings


def storage(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Show what each student's home holds, of how much, since when unchanged; those of removed students too."""
    from classroom.storage.report import look  # noqa: PLC0415 - the engine's client takes a while to import

    found = look(load_settings(settings_file))
    show(found.as_table(), found.as_data(), as_json=as_json)
    if not as_json:
        for mistake in found.mistakes:
            typer.secho(mistake, err=True)


def homes_helper(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    user: Annotated[str | None, typer.Option(help="The hub's user, who may ask beside root.")] = None,
    listen: Annotated[Path | None, typer.Option(help="The socket to make, where systemd gives none.")] = None,
) -> None:
    """Make homes for the hub, as root: started by systemd's socket, or in the foreground with --listen."""
    from classroom.storage.helper import serve  # noqa: PLC0415 - nobody else needs it

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(settings_file, user, listen)
