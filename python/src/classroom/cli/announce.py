"""`classroom announce`: a notice on every page."""

from __future__ import annotations

from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, hub_of, show, when

_PATH = "classroom/announcement"


def announce(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What every page is to say.", show_default=False)
    ] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    clear: Annotated[bool, typer.Option("--clear", help="Take the notice back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a notice on every page of the hub, or say which one is there."""
    if text is not None and clear:
        raise typer.BadParameter("write a text or --clear, not both", param_hint="TEXT")
    _, hub = hub_of(settings_file)
    if clear:
        said = hub.ask("DELETE", _PATH)
    elif text is not None:
        said = hub.ask("PUT", _PATH, {"text": text})
    else:
        said = hub.get(_PATH)
    if as_json:
        show("", said, as_json=True)
    elif said["text"]:
        typer.echo(f"Every page says, since {when(said['since'])}: {said['text']}")
    else:
        typer.echo("The pages say nothing.")
