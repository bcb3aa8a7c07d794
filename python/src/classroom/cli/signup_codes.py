"""`classroom users invite` and `codes`: sign-up codes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from classroom.cli.credential_files import reserved
from classroom.cli.credential_sheet import Sheet, Slip
from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, hub_of, show, table, when
from classroom.cli.users import Output
from classroom.settings.models import Settings


def invite(  # noqa: PLR0913, PLR0917 - options of a command
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=5000, help="How many codes.")] = 1,
    expires: Annotated[str, typer.Option(help="For how long they work: 12h, 7d.")] = "7d",
    group: Annotated[str, typer.Option(help="Who uses one becomes a member.", show_default=False)] = "",
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Make sign-up codes: who holds one signs up without waiting for approval. Each works once."""
    settings, hub = hub_of(settings_file)
    wanted = {"count": count, "lasts": _seconds(expires), "group": group}
    with reserved(output) as files:
        made: list[dict[str, Any]] = hub.post("classroom/codes", wanted)["codes"]
        for each in made:
            each["link"] = _link(settings, each["code"])
        if files:
            files.write(("code", "link", "group", "expires"), made, _sheet(settings, made))
    if as_json:
        show("", made, as_json=True)
        return
    typer.echo(f"{count} codes work until {when(made[0]['expires'])}, once each.")
    if files:
        typer.echo(f"They are in {files.paths[0]}; to print: {files.paths[1]}")
        return
    for each in made:
        typer.echo(f"{each['code']}  {each['link']}")


def codes(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    revoke: Annotated[
        list[int] | None, typer.Option(metavar="NUMBER", help="Make this one invalid; may be repeated.")
    ] = None,
    revoke_all: Annotated[bool, typer.Option("--revoke-all", help="Make all that are open invalid.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Take those off the list that no longer work.")] = False,
    as_json: AsJson = False,
) -> None:
    """List sign-up codes by their first letters: which are open, who used which."""
    _, hub = hub_of(settings_file)
    if revoke or revoke_all:
        count = hub.post("classroom/codes/revoke", {"ids": revoke or [], "all": revoke_all})["revoked"]
        typer.echo(f"Revoked: {count}.", err=as_json)
    if forget:
        typer.echo(f"Forgotten: {hub.ask('DELETE', 'classroom/codes')['forgotten']}.", err=as_json)
    found = hub.get("classroom/codes")["codes"]
    rows = ((str(each["id"]), f"{each['hint']}…", _state(each), each["group"], when(each["expires"])) for each in found)
    show(table("Number", "Code", "", "Group", "Expires", rows=rows), found, as_json=as_json)


def _state(each: dict[str, Any]) -> str:
    return f"used by {each['used_by']}, {when(each['used_at'])}" if each["state"] == "used" else str(each["state"])


def _seconds(text: str) -> int:
    units = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    if not (text[:-1].isdecimal() and text[-1] in units):
        raise typer.BadParameter("write a duration such as 12h or 7d", param_hint="--expires")
    seconds = int(text[:-1]) * units[text[-1]]
    if not 60 <= seconds <= 366 * 86400:
        raise typer.BadParameter("write one minute (1m) to one year (366d)", param_hint="--expires")
    return seconds


def _link(settings: Settings, code: str) -> str:
    address = settings.site.external_url
    return f"{address}hub/signup?code={quote(code)}" if address else ""


def _sheet(settings: Settings, made: list[dict[str, Any]]) -> Sheet:
    address = f"{settings.site.external_url}hub/signup" if settings.site.external_url else ""
    until = datetime.fromisoformat(made[0]["expires"]).astimezone()
    slips = (Slip(settings.site.title, (("Address", address), ("Sign-up code", each["code"]))) for each in made)
    note = f"Sign up there with this code until {until:%Y-%m-%d %H:%M}. It works once."
    return Sheet(settings.site.title, note, tuple(slips))
