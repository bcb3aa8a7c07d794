"""`classroom servers` and `announce`: running servers, their logs, and an announcement to everyone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    NamesOrAll,
    SettingsFile,
    build_table,
    connect_to_hub,
    format_time,
    print_json,
    print_outcome,
    print_result,
    print_text,
)
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings

app = typer.Typer(help="Students' servers.", no_args_is_help=True)

_ANNOUNCEMENT = "classroom/announcement"


@app.command("list")
def list_(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """List servers with their start, GPUs, memory, CPU use and groups."""
    from classroom.spawner.report import inspect_servers  # noqa: PLC0415 - the engine's client takes a while to import

    settings, hub = connect_to_hub(settings_file)
    servers = inspect_servers(settings, hub.get("classroom/servers")["servers"])
    headings = ["Name", "Server", "Since", "GPU", "Memory", "Cores"]
    rows = [
        [
            server.name,
            server.state,
            format_time(server.started),
            ", ".join(server.gpus),
            server.memory_shown,
            server.cpus_shown,
        ]
        for server in servers
    ]
    if settings.groups:
        headings.append("Groups")
        rows = [[*row, ", ".join(server.groups)] for row, server in zip(rows, servers, strict=True)]
    print_result(build_table(*headings, rows=rows), [server.as_data() for server in servers], as_json=as_json)
    if not servers and not as_json:
        print_text("No server runs.")


@app.command()
def stop(
    names: NamesOrAll = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    everyone: Annotated[bool, typer.Option("--all", help="All running servers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop servers. Stopping ends running code. Files are kept."""
    if bool(names) == everyone:
        raise typer.BadParameter("write the names, or --all", param_hint="NAME")
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/servers/stop", {"names": names or [], "all": everyone})
    if everyone and not as_json and not answer["changed"] and not answer["refused"]:
        print_text("No server runs.")
    print_outcome(answer, "Stopped", "has no server", as_json=as_json)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The student's username.", show_default=False)],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="Number of last lines.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Print the last lines of a server's log; of a server that has ended within a day, also why."""
    from classroom.spawner.report import read_server_log  # noqa: PLC0415 - as above

    text = read_server_log(load_settings(settings_file), name, lines)
    if text is None:
        _print_ending(name, lines, settings_file, as_json=as_json)
    elif as_json:
        print_json({"name": name, "lines": text.splitlines()})
    else:
        print_text(text, nl=False)


def _print_ending(name: str, lines: int, settings_file: Path, *, as_json: bool) -> None:
    _, hub = connect_to_hub(settings_file)
    ending = hub.get(f"classroom/servers/{quote(name, safe='')}/ending")["ending"]
    if ending is None:
        raise ClassroomError(f"{name} has no server, and none ended within the last day. See: classroom servers list")
    shown = ending["lines"][-lines:]
    if as_json:
        print_json({"name": name, "lines": shown, "ended": ending["at"], "why": ending["why"], "text": ending["text"]})
        return
    print_text(f"{ending['text']} ({format_time(ending['at'])})")
    for line in shown:
        print_text(line)


def announce(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The announcement.", show_default=False)] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the announcement.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show an announcement on every page of the hub; without TEXT, print the current one."""
    if text is not None and clear:
        raise typer.BadParameter("write a text or --clear, not both", param_hint="TEXT")
    _, hub = connect_to_hub(settings_file)
    if clear:
        announcement = hub.call("DELETE", _ANNOUNCEMENT)
    elif text is not None:
        announcement = hub.call("PUT", _ANNOUNCEMENT, {"text": text})
    else:
        announcement = hub.get(_ANNOUNCEMENT)
    if as_json:
        print_json(announcement)
    elif announcement["text"]:
        print_text(f"Shown on every page since {format_time(announcement['since'])}: {announcement['text']}")
    else:
        print_text("No announcement is set.")
