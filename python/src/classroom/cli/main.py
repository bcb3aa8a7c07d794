"""The `classroom` command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from classroom.cli import (
    backup,
    gpus,
    network,
    reservations,
    servers,
    signup_codes,
    storage,
    upgrade,
    users,
    users_import,
)
from classroom.cli.adopt import adopt
from classroom.cli.announce import announce
from classroom.cli.doctor import doctor
from classroom.cli.output import DEFAULT_SETTINGS, SettingsFile
from classroom.errors import ClassroomError
from classroom.settings.file import json_schema, load_settings
from classroom.settings.models import Settings

app = typer.Typer(help="JupyterHub for a class on a GPU server.", no_args_is_help=True, pretty_exceptions_enable=False)

CLASS, MACHINE, PARTS = "A class", "The machine", "Parts of a class, which units and `make demo` start"

app.add_typer(users.app, name="users", rich_help_panel=CLASS)
users.app.command("import")(users_import.import_)
users.app.command()(signup_codes.invite)
users.app.command()(signup_codes.codes)
app.add_typer(servers.app, name="servers", rich_help_panel=CLASS)
app.command(rich_help_panel=CLASS)(announce)
app.add_typer(gpus.app, name="gpus", rich_help_panel=CLASS)
gpus.app.command()(reservations.reserve)
gpus.app.command()(reservations.reservations)
gpus.app.command()(reservations.cancel)
app.command(rich_help_panel=CLASS)(storage.storage)
app.command(rich_help_panel=MACHINE)(doctor)
app.add_typer(backup.app, name="backup", rich_help_panel=MACHINE)
app.add_typer(upgrade.app, name="upgrade", rich_help_panel=MACHINE)
app.command(rich_help_panel=MACHINE)(adopt)
app.add_typer(network.app, name="network", rich_help_panel=PARTS)
app.command("homes-helper", rich_help_panel=PARTS)(storage.homes_helper)


def main() -> None:
    """Run the CLI. An error that the operator can mend is one message and its exit status: docs/accounts.md."""
    try:
        app()
    except ClassroomError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
        raise SystemExit(error.exit_status) from error


@app.command(rich_help_panel=MACHINE)
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The settings file.")]) -> None:
    """Say whether a settings file is right; name each mistake and what to write instead."""
    settings = load_settings(file)
    typer.echo(f"{file}: right. {_summary(settings)}")


@app.command(rich_help_panel=MACHINE)
def schema() -> None:
    """Print the JSON Schema of settings.json."""
    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("settings-doc", hidden=True)
def settings_doc() -> None:
    """Print docs/settings.md."""
    from classroom.settings.docs import render  # noqa: PLC0415 - for those who work on the program only

    typer.echo(render(), nl=False)


@app.command(rich_help_panel=MACHINE)
def man() -> None:
    """Print the manual page of all commands; `classroom man | man -l -` shows it."""
    from classroom.cli.manual import page  # noqa: PLC0415 - for this command only

    typer.echo(page(typer.main.get_command(app)), nl=False)


@app.command(rich_help_panel=PARTS)
def hub(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run the hub in the foreground."""
    from classroom.hub.launch import run_hub  # noqa: PLC0415 - JupyterHub takes a second to import

    run_hub(settings_file, lambda text: typer.secho(text, err=True))


@app.command(rich_help_panel=PARTS)
def proxy(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run the proxy in the foreground. It is a process of its own: it outlives a restart of the hub."""
    from classroom.hub.launch import run_proxy  # noqa: PLC0415 - as above

    run_proxy(settings_file)


@app.command(rich_help_panel=PARTS)
def nginx(  # noqa: PLR0913, PLR0917 - options of a command
    directives: Annotated[Path, typer.Option(help="The folder modules/nginx of this project.")],
    directory: Annotated[Path, typer.Option(help="A folder for Nginx's pid, access log and temporary files.")],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    listen: Annotated[list[str] | None, typer.Option(help="Address and port for browsers; may be repeated.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="The certificate chain (PEM); every address speaks TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    trusted: Annotated[
        list[str] | None, typer.Option(help="A proxy in front that may name the client; may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose rights the workers have when Nginx starts as root.")] = None,
) -> None:
    """Print an nginx.conf for this class, for `nginx -e stderr -c FILE`."""
    from classroom.hub.nginx import Front, render  # noqa: PLC0415 - as above

    front = Front(
        directives=directives.resolve(),
        directory=directory.resolve(),
        listen=tuple(listen or ["127.0.0.1:8000"]),
        certificate=certificate,
        key=key,
        trusted=tuple(trusted or ()),
        user=user,
    )
    typer.echo(render(load_settings(settings_file), front), nl=False)


def _summary(settings: Settings) -> str:
    who = ", ".join(settings.admins) or 'nobody yet: add admins = ["teacher"]'
    return f"Instructors: {who}. Address: {settings.site.external_url or 'any'}"
