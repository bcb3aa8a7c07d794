"""`classroom users invite` and `codes`: sign-up codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from classroom.cli.credential_sheet import CredentialCard, CredentialSheet, create_credential_files
from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    SettingsFile,
    build_table,
    connect_to_hub,
    format_time,
    print_json,
    print_result,
    print_text,
)
from classroom.cli.time_args import parse_lifetime
from classroom.cli.users import CredentialOutput

if TYPE_CHECKING:
    from classroom.settings.models import Site


def invite(  # noqa: PLR0913, PLR0917 - options of a command
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=5000, help="Number of codes.")] = 1,
    expires: Annotated[str, typer.Option(help="Lifetime of the codes: 12h, 7d.")] = "7d",
    group: Annotated[
        str, typer.Option(help="Students who use a code become members of this group.", show_default=False)
    ] = "",
    output: CredentialOutput = None,
    as_json: AsJson = False,
) -> None:
    """Create sign-up codes. A student with a code signs up without approval; each code works once."""
    settings, hub = connect_to_hub(settings_file)
    request = {"count": count, "lasts": parse_lifetime(expires, "--expires"), "group": group}
    with create_credential_files(output) as files:
        created: list[dict[str, Any]] = hub.post("classroom/codes", request)["codes"]
        for code in created:
            code["link"] = _signup_url(settings.site, code["code"])
        if files:
            files.write(("code", "link", "group", "expires"), created, _build_sheet(settings.site, created))
    if as_json:
        print_json(created)
        return
    print_text(f"{count} codes work until {format_time(created[0]['expires'])}, once each.")
    if files:
        print_text(f"They are in {files.paths[0]}; to print: {files.paths[1]}")
        return
    for code in created:
        print_text(f"{code['code']}  {code['link']}")


def codes(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    revoke: Annotated[
        list[int] | None, typer.Option(metavar="NUMBER", help="Make this code invalid; may be repeated.")
    ] = None,
    revoke_all: Annotated[bool, typer.Option("--revoke-all", help="Make all open codes invalid.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove codes that no longer work from the list.")] = False,
    as_json: AsJson = False,
) -> None:
    """List sign-up codes by their first letters, with their state and the student who used each."""
    _, hub = connect_to_hub(settings_file)
    if revoke or revoke_all:
        count = hub.post("classroom/codes/revoke", {"ids": revoke or [], "all": revoke_all})["revoked"]
        print_text(f"Revoked: {count}.", err=as_json)
    if forget:
        print_text(f"Forgotten: {hub.call('DELETE', 'classroom/codes')['forgotten']}.", err=as_json)
    listed = hub.get("classroom/codes")["codes"]
    rows = (
        (str(code["id"]), f"{code['hint']}…", _code_state(code), code["group"], format_time(code["expires"]))
        for code in listed
    )
    print_result(build_table("Number", "Code", "", "Group", "Expires", rows=rows), listed, as_json=as_json)


def _code_state(code: dict[str, Any]) -> str:
    used = f"used by {code['used_by']}, {format_time(code['used_at'])}"
    return used if code["state"] == "used" else str(code["state"])


def _signup_url(site: Site, code: str = "") -> str:
    query = f"?code={quote(code)}" if code else ""
    return f"{site.external_url}hub/signup{query}" if site.external_url else ""


def _build_sheet(site: Site, codes: list[dict[str, Any]]) -> CredentialSheet:
    cards = (
        CredentialCard(site.title, (("Address", _signup_url(site)), ("Sign-up code", code["code"]))) for code in codes
    )
    note = f"Sign up there with this code until {format_time(codes[0]['expires'])}. It works once."
    return CredentialSheet(site.title, note, tuple(cards))
