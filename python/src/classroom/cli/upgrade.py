"""`classroom upgrade`: migrations of the database by a new version, and their rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, build_table, print_result
from classroom.doctor import units
from classroom.hub.liveness import require_stopped_hub
from classroom.settings.file import load_settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from classroom.db.upgrade import DatabaseCopy, DatabaseStatus

app = typer.Typer(help="Versions of the database, and the rollback to an earlier one.", no_args_is_help=True)


@app.command()
def status(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Show the installed versions, whether the database fits them, and the copies of the database."""
    from classroom.db.upgrade import inspect_database  # noqa: PLC0415 - JupyterHub takes a second to import

    state = inspect_database(load_settings(settings_file).paths.state)
    print_result(_status_table(state), _status_data(state), as_json=as_json)


@app.command()
def rollback(
    copy: Annotated[
        str, typer.Argument(metavar="FILE", help="The copy's file name. Default: the newest copy that fits.")
    ] = "",
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a copy of the database, for the version it fits. Homes are not changed.

    Stop a hub that runs. A hub that refuses the database needs no stop: it
    starts by itself afterwards.
    """
    from classroom.db.upgrade import choose_copy, inspect_database, roll_back  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    require_stopped_hub(settings, "to restore a copy")
    chosen = choose_copy(settings.paths.state, copy or None)
    if not yes:
        question = f"Accounts and passwords go back to those of {chosen.made:%Y-%m-%d %H:%M} UTC. Continue?"
        typer.confirm(question, abort=True, err=True)
    roll_back(settings.paths.state, chosen)
    text = (
        f"The database is that of {chosen.made:%Y-%m-%d %H:%M} UTC again ({chosen.revisions}). The one from before is "
        f"a copy now.\n{_next_step(inspect_database(settings.paths.state))}"
    )
    print_result(Text(text), _copy_data(chosen), as_json=as_json)


def _next_step(status: DatabaseStatus) -> str:
    if status.current != status.head:
        return "Install the version that fits it, then start the hub. The installed version would migrate it again."
    if units.prop("classroom-hub", "ActiveState") in {"active", "activating"}:
        return "The hub starts by itself within seconds."
    return f"Start the hub: {units.operator_command(units.restart('classroom-hub', 'classroom hub'))}"


def _status_table(status: DatabaseStatus) -> RenderableType:
    versions = Text("   ".join(f"{name} {number}" for name, number in status.installed.items()))
    if status.current is None:
        text = "There is no database yet: the hub creates it."
    elif not status.is_compatible:
        text = (
            f"The database ({status.current}) is of a newer version than the installed one ({status.head}): install "
            "that version again, or restore a copy: " + units.operator_command("classroom upgrade rollback")
        )
    elif status.must_migrate:
        text = (
            f"The database ({status.current}) is of an older version: the hub's next start copies it and then migrates "
            f"it to {status.head}."
        )
    else:
        text = f"The database ({status.current}) is of this version."
    rows = [
        (copy.file.name, f"{copy.made:%Y-%m-%d %H:%M}", copy.reason, str(copy.revisions), format_bytes(copy.size))
        for copy in status.copies
    ]
    table = build_table("copy", "made (UTC)", "before", "database", "size", rows=rows)
    return Group(versions, Text(text), table if rows else Text("There are no copies yet."))


def _status_data(status: DatabaseStatus) -> dict[str, Any]:
    return {
        "installed": status.installed,
        "head": vars(status.head),
        "database": None if status.current is None else vars(status.current),
        "fits": status.is_compatible,
        "mustMigrate": status.must_migrate,
        "copies": [_copy_data(copy) for copy in status.copies],
    }


def _copy_data(copy: DatabaseCopy) -> dict[str, Any]:
    return {
        "name": copy.file.name,
        "path": str(copy.file),
        "made": copy.made.isoformat(),
        "reason": copy.reason,
        "database": vars(copy.revisions),
        "bytes": copy.size,
    }
