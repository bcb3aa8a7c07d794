"""`classroom users`: accounts, one by one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from classroom.cli.credential_files import WORDS, Handouts, login_slips, reserved
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
from classroom.settings.models import Settings

app = typer.Typer(help="Accounts of students and instructors.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Usernames.", show_default=False)]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="STEM", help="Write STEM.csv and a sheet to print, STEM.html."),
]


@app.command("list")
def list_(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    state: Annotated[
        str | None, typer.Option(help="Only those that are: waiting, approved, revoked.", show_default=False)
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only members of this group.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts: who waits, who has which, when each was last seen."""
    if state not in {None, "waiting", "approved", "revoked"}:
        raise typer.BadParameter("write waiting, approved or revoked", param_hint="--state")
    _, hub = hub_of(settings_file)
    accounts = [
        each
        for each in hub.get("classroom/accounts")["accounts"]
        if state in {None, each["state"]} and (group is None or group in each["groups"])
    ]
    rows = (
        (each["name"], each["full_name"], _standing(each), ", ".join(each["groups"]), when(each["last_activity"]))
        for each in accounts
    )
    show(table("Name", "Full name", "Account", "Groups", "Last seen", rows=rows), accounts, as_json=as_json)


@app.command()
def add(  # noqa: PLR0913, PLR0917 - options of a command
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    full_name: Annotated[str, typer.Option(help="The person's name; with one NAME only.", show_default=False)] = "",
    group: Annotated[str, typer.Option(help="Make them members of this group.", show_default=False)] = "",
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Make accounts that work at once, and print their one-time passwords."""
    if full_name and len(names) > 1:
        raise typer.BadParameter("names one person; for several write a list and use import", param_hint="--full-name")
    settings, hub = hub_of(settings_file)
    lines = [{"name": name, "full_name": full_name, "group": group} for name in names]
    with reserved(output) as files:
        accounts: list[dict[str, Any]] = hub.post("classroom/accounts", {"accounts": lines})["accounts"]
        hand_out(accounts, settings, files, as_json=as_json)
    if as_json:
        show("", accounts, as_json=True)
    for each in () if as_json else accounts:
        if not each["password"]:
            typer.echo(f"{each['name']}: {WORDS[each['deed']]}.", err=each["deed"] in {"waits", "closed"})
    if any(each["deed"] in {"waits", "closed"} for each in accounts):
        raise typer.Exit(1)


@app.command()
def approve(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Usernames.", show_default=False)] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    everyone: Annotated[bool, typer.Option("--all", help="All who wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let those who signed up sign in; opens closed accounts again."""
    if bool(names) == everyone:
        raise typer.BadParameter("write the names, or --all for all who wait", param_hint="NAME")
    _, hub = hub_of(settings_file)
    answer = hub.post("classroom/accounts/approve", {"names": names or [], "all": everyone})
    if everyone and not answer["changed"] and not as_json:
        typer.echo("Nobody is waiting.")
    _finish(answer, "Approved", "approved already", as_json=as_json)


@app.command()
def revoke(names: Names, settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Close accounts: they are signed out, their servers stop, their files stay. `approve` opens them again."""
    _, hub = hub_of(settings_file)
    _finish(hub.post("classroom/accounts/revoke", {"names": names}), "Closed", "is not open", as_json=as_json)


@app.command()
def remove(
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove accounts. Their homes are set aside: whoever gets the name later does not get the files."""
    _, hub = hub_of(settings_file)
    if not yes:
        typer.confirm(
            f"Remove {', '.join(names)}? Their servers stop; their files are set aside.", abort=True, err=True
        )
    _finish(hub.post("classroom/accounts/remove", {"names": names}), "Removed", "is not there", as_json=as_json)


@app.command("reset-password")
def reset_password(
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Give accounts new one-time passwords; their sessions end."""
    settings, hub = hub_of(settings_file)
    with reserved(output) as files:
        answer = hub.post("classroom/accounts/reset-password", {"names": names})
        given = [{"name": name, "password": password} for name, password in answer["passwords"].items()]
        hand_out(given, settings, files, as_json=as_json)
    if as_json:
        show("", answer, as_json=True)
    else:
        conclude(answer | {"changed": []}, "", "")
    demand_done(answer)


@app.command()
def admin(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Say who the instructors are, and how another one is made."""
    from classroom.accounts.admin_password_file import admin_password_path  # noqa: PLC0415 - for this command only

    settings = load_settings(settings_file)
    secrets = str(settings.paths.state / "secrets")
    files = {name: admin_password_path(secrets, name) for name in settings.admins}
    found = {name: str(path) for name, path in files.items() if path.exists()}
    rows = ((name, f"one-time password in {found[name]}" if name in found else "") for name in settings.admins)
    data = [{"name": name, "one_time_password_file": found.get(name)} for name in settings.admins]
    show(table("Instructor", "", rows=rows), data, as_json=as_json)
    if not as_json:
        written = ", ".join(f'"{name}"' for name in (*settings.admins, "NAME"))
        typer.echo(
            f"\nInstructors come from the settings. For another one write in {settings_file}\n"
            f"  admins = [{written}]\n"
            f"(on NixOS: services.classroom.admins = [ {written.replace(',', '')} ]) and restart the hub: it writes a\n"
            "one-time password for each who has none. Who is taken out keeps the account, as a student."
        )


def _finish(answer: dict[str, Any], done: str, unchanged: str, *, as_json: bool) -> None:
    if as_json:
        show("", answer, as_json=True)
    else:
        conclude(answer, done, unchanged)
    demand_done(answer)


def hand_out(accounts: list[dict[str, Any]], settings: Settings, files: Handouts | None, *, as_json: bool) -> None:
    """Write the one-time passwords among accounts into the files, or else print them; JSON is the caller's."""
    given = [each for each in accounts if each["password"]]
    if files and given:
        sheet = login_slips(settings.site.title, settings.site.external_url, given)
        files.write(("name", "full_name", "password"), given, sheet)
    if as_json:
        return
    if files and given:
        typer.echo(f"{len(given)} one-time passwords are in {files.paths[0]}; to print: {files.paths[1]}")
    elif given:
        show(table("Name", "One-time password", rows=((each["name"], each["password"]) for each in given)), given)


def _standing(each: dict[str, Any]) -> str:
    words = {"waiting": "waits for approval", "revoked": "closed", "approved": "open"}[each["state"]]
    if each["admin"]:
        words = "instructor"
    if not each["has_password"]:
        return f"{words}, no password"
    return f"{words}, one-time password" if each["must_change"] else words
