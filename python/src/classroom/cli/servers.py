"""`classroom servers`: who runs what; stop it; what it wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    SettingsFile,
    conclude,
    demand_done,
    hub_of,
    show,
    table,
    when,
)
from classroom.settings.file import load_settings

app = typer.Typer(help="Students' servers.", no_args_is_help=True)


@app.command("list")
def list_(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """List the servers: whose, since when, on which GPU, with how much memory and CPU, by which groups."""
    from classroom.spawner.report import look  # noqa: PLC0415 - the engine's client takes a while to import

    settings, hub = hub_of(settings_file)
    found = look(settings, hub.get("classroom/servers")["servers"])
    headings = ["Name", "Server", "Since", "GPU", "Memory", "Cores"]
    rows = [
        [each.name, each.state, when(each.started), ", ".join(each.gpus), each.memory_shown, each.cpus_shown]
        for each in found
    ]
    if settings.groups:
        headings.append("Groups")
        rows = [[*row, ", ".join(each.groups)] for row, each in zip(rows, found, strict=True)]
    show(table(*headings, rows=rows), [each.as_data() for each in found], as_json=as_json)
    if not found and not as_json:
        typer.echo("No server runs.")


@app.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Usernames.", show_default=False)] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    everyone: Annotated[bool, typer.Option("--all", help="All that run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop servers. What runs in them ends; files stay."""
    if bool(names) == everyone:
        raise typer.BadParameter("write the names, or --all", param_hint="NAME")
    _, hub = hub_of(settings_file)
    answer = hub.post("classroom/servers/stop", {"names": names or [], "all": everyone})
    if as_json:
        show("", answer, as_json=True)
    else:
        conclude(answer, "Stopped", "has no server")
        if everyone and not answer["changed"] and not answer["refused"]:
            typer.echo("No server runs.")
    demand_done(answer)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The student.", show_default=False)],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="The last so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Print what a student's server wrote."""
    from classroom.spawner.report import log  # noqa: PLC0415 - as above

    text = log(load_settings(settings_file), name, lines)
    if as_json:
        show("", {"name": name, "lines": text.splitlines()}, as_json=True)
    else:
        typer.echo(text, nl=False)
