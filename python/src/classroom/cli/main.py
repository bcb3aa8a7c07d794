"""The `classroom` command."""

from __future__ import annotations

import json
import sqlite3
import sys

import typer

from classroom.cli import backup, gpus, homes, reports, reservations, servers, services, signup_codes, upgrade, users
from classroom.cli.adopt import adopt
from classroom.cli.audit import audit
from classroom.cli.output import allow_any_terminal, print_text
from classroom.errors import ClassroomError, NoSpaceError, no_space_reason
from classroom.settings.file import json_schema

app = typer.Typer(help="JupyterHub for a class on a GPU server.", no_args_is_help=True, pretty_exceptions_enable=False)

CLASS, MACHINE, SERVICES = "A class", "The machine", "Services, which systemd units and `make demo` start"

app.add_typer(users.app, name="users", rich_help_panel=CLASS)
users.app.command()(signup_codes.invite)
users.app.command()(signup_codes.codes)
app.add_typer(servers.app, name="servers", rich_help_panel=CLASS)
app.command(rich_help_panel=CLASS)(servers.announce)
app.add_typer(gpus.app, name="gpus", rich_help_panel=CLASS)
gpus.app.command()(reservations.reserve)
gpus.app.command()(reservations.reservations)
gpus.app.command()(reservations.cancel)
app.command(rich_help_panel=CLASS)(reports.storage)
app.command(rich_help_panel=CLASS)(audit)
app.command(rich_help_panel=MACHINE)(reports.check)
app.command(rich_help_panel=MACHINE)(reports.doctor)
app.add_typer(homes.app, name="homes", rich_help_panel=MACHINE)
app.add_typer(backup.app, name="backup", rich_help_panel=MACHINE)
app.add_typer(upgrade.app, name="upgrade", rich_help_panel=MACHINE)
app.command(rich_help_panel=MACHINE)(adopt)
for service in (services.hub, services.proxy, services.nginx):
    app.command(rich_help_panel=SERVICES)(service)
app.add_typer(services.images, name="images", rich_help_panel=SERVICES)
app.add_typer(services.network, name="network", rich_help_panel=SERVICES)
app.command("engine-filter", rich_help_panel=SERVICES)(services.engine_filter)
app.command("homes-helper", rich_help_panel=SERVICES)(services.homes_helper)


def main() -> None:
    """Run the command line. Print a known error as one message; docs/how-to/accounts.md lists the exit statuses."""
    allow_any_terminal()
    try:
        app()
    except (ClassroomError, OSError, sqlite3.Error) as error:
        problem = no_space_reason(error)
        if not isinstance(error, ClassroomError) and not problem:
            raise
        message = str(error) if isinstance(error, ClassroomError) else _name_file(problem, error)
        print_text(message, err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
        status = error.exit_status if isinstance(error, ClassroomError) else NoSpaceError.exit_status
        raise SystemExit(NoSpaceError.exit_status if problem else status) from error


def _name_file(problem: str, error: Exception) -> str:
    file = getattr(error, "filename", None)
    return f"{file}: {problem}" if file else f"{problem} The output is not complete."


@app.command(rich_help_panel=MACHINE)
def schema() -> None:
    """Print the JSON Schema of settings.json."""
    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("settings-doc", hidden=True)
def settings_doc() -> None:
    """Print docs/reference/settings.md."""
    from classroom.settings.docs import render  # noqa: PLC0415 - for developers only

    typer.echo(render(), nl=False)


@app.command(rich_help_panel=MACHINE)
def man() -> None:
    """Print the manual page of all commands; `classroom man | man -l -` shows it."""
    from classroom.cli.manual import render_manual  # noqa: PLC0415 - for this command only

    typer.echo(render_manual(typer.main.get_command(app)), nl=False)
