"""`classroom network`: the class bridge and its firewall rules."""

from __future__ import annotations

import typer

from classroom.cli.output import DEFAULT_SETTINGS, SettingsFile
from classroom.settings.file import load_settings

app = typer.Typer(help="The class bridge and its firewall rules.", no_args_is_help=True)


@app.command()
def up(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Make the class bridge and its firewall rules; what is already right stays."""
    from classroom.docker.network import network_up  # noqa: PLC0415 - the engine's client takes a while to import

    settings = load_settings(settings_file)
    network_up(settings.network, settings.docker.host)
    typer.echo(
        f"{settings.network.name}: containers on {settings.network.subnet} reach {settings.network.gateway}:"
        f"{settings.network.api_port} of this machine" + (" and the internet" * settings.network.internet) + "."
    )


@app.command()
def down(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Remove the class bridge and its firewall rules."""
    from classroom.docker.network import network_down  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    network_down(settings.network, settings.docker.host)
