"""`classroom upgrade`: migrations of the database by a new version, and their rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, build_table, print_result
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
    """Restore a copy of the database, for the version it fits. The hub must be stopped; homes are not changed."""
    from classroom.db.upgrade import roll_back  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    require_stopped_hub(settings, "to put a copy back")
    if not yes:
        typer.confirm("Accounts and passwords go back to what they were then. Continue?", abort=True, err=True)
    restored = roll_back(settings.paths.state, copy or None)
    text = (
        f"The database is that of {restored.made:%Y-%m-%d %H:%M} UTC again ({restored.revisions}); the current one was "
        "kept as a copy.\nInstall the version that fits it and start the hub: a newer version would migrate it again."
    )
    print_result(Text(text), _copy_data(restored), as_json=as_json)


def _status_table(status: DatabaseStatus) -> RenderableType:
    versions = Text("   ".join(f"{name} {number}" for name, number in status.installed.items()))
    if status.current is None:
        text = "There is no database yet: the hub creates it."
    elif not status.is_compatible:
        text = (
            f"The database ({status.current}) belongs to a newer version than the installed one ({status.head}): "
            "install that version again, or run: classroom upgrade rollback"
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
