"""`classroom upgrade`: what a new version does to the database, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.hub.liveness import refuse_while_hub_runs
from classroom.settings.file import load_settings
from classroom.units import format_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from classroom.db.upgrade import Copy, Status

app = typer.Typer(help="Versions of the database, and the way back to the one before.", no_args_is_help=True)


@app.command()
def status(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Say which versions are installed, whether the database fits them, and which copies of it are kept."""
    from classroom.db.upgrade import look  # noqa: PLC0415 - JupyterHub takes a second to import

    found = look(load_settings(settings_file).paths.state)
    show(_as_table(found), _as_data(found), as_json=as_json)


@app.command()
def rollback(
    copy: Annotated[
        str, typer.Argument(metavar="FILE", help="The copy's file name; unless given, the newest that fits.")
    ] = "",
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a copy of the database back, for the version it fits. The hub must be stopped; homes are not touched."""
    from classroom.db.upgrade import rollback as put_back  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    refuse_while_hub_runs(settings, "to put a copy back")
    if not yes:
        typer.confirm("Accounts and passwords go back to what they were then. Go on?", abort=True, err=True)
    done = put_back(settings.paths.state, copy or None)
    text = (
        f"The database is that of {done.made:%Y-%m-%d %H:%M} UTC again ({done.revisions}); the one that was there is "
        "kept as a copy.\nInstall the version that it fits and start the hub: a newer one would migrate it again."
    )
    show(Text(text), _copy_data(done), as_json=as_json)


def _as_table(found: Status) -> RenderableType:
    versions = Text("   ".join(f"{name} {number}" for name, number in found.installed.items()))
    if found.found is None:
        state = "There is no database yet: the hub makes it."
    elif not found.fits:
        state = (
            f"The database ({found.found}) is of a newer version than what is installed ({found.head}): install that "
            "again, or run: classroom upgrade rollback"
        )
    elif found.must_migrate:
        state = (
            f"The database ({found.found}) is of an older version: the hub's next start sets a copy aside and brings "
            f"it to {found.head}."
        )
    else:
        state = f"The database ({found.found}) is of this version."
    table = Table("copy", "made (UTC)", "before", "database", "size")
    for each in found.copies:
        made = f"{each.made:%Y-%m-%d %H:%M}"
        table.add_row(each.file.name, made, each.reason, str(each.revisions), format_bytes(each.size))
    return Group(versions, Text(state), table if found.copies else Text("No copies are kept yet."))


def _as_data(found: Status) -> dict[str, Any]:
    return {
        "installed": found.installed,
        "head": vars(found.head),
        "database": None if found.found is None else vars(found.found),
        "fits": found.fits,
        "mustMigrate": found.must_migrate,
        "copies": [_copy_data(each) for each in found.copies],
    }


def _copy_data(copy: Copy) -> dict[str, Any]:
    return {
        "name": copy.file.name,
        "path": str(copy.file),
        "made": copy.made.isoformat(),
        "reason": copy.reason,
        "database": vars(copy.revisions),
        "bytes": copy.size,
    }
