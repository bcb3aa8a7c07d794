"""`classroom users`: list, add, import, approve, close and remove accounts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from classroom.cli.credential_sheet import create_credential_files, deliver_passwords
from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    Names,
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
from classroom.settings.file import load_settings

app = typer.Typer(help="Accounts of students and instructors.", no_args_is_help=True)

CredentialOutput = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="STEM", help="Write STEM.csv, and STEM.html, a sheet to print and cut."),
]

_OUTCOMES = {
    "add": "new account",
    "give-password": "gets a one-time password",
    "update": "full name or group updated",
    "nothing": "exists already; nothing changes",
    "waits": "somebody signed up under this name and is waiting: check who, then run classroom users approve",
    "closed": "the account is closed: classroom users approve opens it again",
}
_COUNTED_OUTCOMES = {
    "add": "new",
    "give-password": "without a password until now",
    "update": "updated",
    "nothing": "there already",
    "waits": "waiting for approval, unchanged",
    "closed": "closed, unchanged",
}
_FAILED = frozenset({"waits", "closed"})
_WITH_PASSWORD = frozenset({"add", "give-password"})


@app.command("list")
def list_(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    state: Annotated[
        str | None, typer.Option(help="Only accounts that are: waiting, approved, revoked.", show_default=False)
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only members of this group.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List accounts with their state, their groups and when each was last seen."""
    if state not in {None, "waiting", "approved", "revoked"}:
        raise typer.BadParameter("write waiting, approved or revoked", param_hint="--state")
    _, hub = connect_to_hub(settings_file)
    accounts = [
        account
        for account in hub.get("classroom/accounts")["accounts"]
        if state in {None, account["state"]} and (group is None or group in account["groups"])
    ]
    rows = (
        (
            account["name"],
            account["full_name"],
            _account_state(account),
            account["origin"] or "",
            ", ".join(account["groups"]),
            format_time(account["last_activity"]),
        )
        for account in accounts
    )
    print_result(
        build_table("Name", "Full name", "Account", "From", "Groups", "Last seen", rows=rows), accounts, as_json=as_json
    )


@app.command()
def add(  # noqa: PLR0913, PLR0917 - options of a command
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    full_name: Annotated[str, typer.Option(help="The person's name; with one NAME only.", show_default=False)] = "",
    group: Annotated[str, typer.Option(help="Make them members of this group.", show_default=False)] = "",
    output: CredentialOutput = None,
    as_json: AsJson = False,
) -> None:
    """Create accounts that need no approval, and print their one-time passwords."""
    if full_name and len(names) > 1:
        raise typer.BadParameter("names one person; for several write a list and use import", param_hint="--full-name")
    settings, hub = connect_to_hub(settings_file)
    new_accounts = [{"name": name, "full_name": full_name, "group": group} for name in names]
    with create_credential_files(output) as files:
        accounts: list[dict[str, Any]] = hub.post("classroom/accounts", {"accounts": new_accounts})["accounts"]
        deliver_passwords(accounts, settings.site, files, as_json=as_json)
    if as_json:
        print_json(accounts)
    for account in () if as_json else accounts:
        if not account["password"]:
            print_text(f"{account['name']}: {_OUTCOMES[account['deed']]}.", err=account["deed"] in _FAILED)
    _exit_if_failed(accounts)


@app.command()
def approve(
    names: NamesOrAll = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    everyone: Annotated[bool, typer.Option("--all", help="Everyone who is waiting.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve sign-ups, or open closed accounts again."""
    if bool(names) == everyone:
        raise typer.BadParameter("write the names, or --all for everyone who is waiting", param_hint="NAME")
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/accounts/approve", {"names": names or [], "all": everyone})
    if everyone and not answer["changed"] and not as_json:
        print_text("Nobody is waiting.")
    print_outcome(answer, "Approved", "approved already", as_json=as_json)


@app.command()
def reject(
    names: NamesOrAll = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    origin: Annotated[
        str,
        typer.Option("--from", metavar="ADDRESS", help="Everyone who signed up from this address.", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Reject sign-ups that wait. Accounts that were approved once stay."""
    if bool(names) == bool(origin):
        raise typer.BadParameter("write the names, or --from ADDRESS as users list shows it", param_hint="NAME")
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/accounts/reject", {"names": names or [], "origin": origin})
    if origin and not answer["changed"] and not as_json:
        print_text(f"Nobody from {origin} is waiting.")
    print_outcome(answer, "Rejected", "is not waiting", as_json=as_json)


@app.command()
def revoke(names: Names, settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Close accounts: sign students out and stop their servers. Files are kept; `approve` opens accounts again."""
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/accounts/revoke", {"names": names})
    print_outcome(answer, "Closed", "is not open", as_json=as_json)


@app.command()
def remove(
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove accounts. Their homes are archived: a later account of the same name does not get the files."""
    _, hub = connect_to_hub(settings_file)
    if not yes:
        typer.confirm(f"Remove {', '.join(names)}? Their servers stop; their files are archived.", abort=True, err=True)
    answer = hub.post("classroom/accounts/remove", {"names": names})
    print_outcome(answer, "Removed", "does not exist", as_json=as_json)


@app.command("reset-password")
def reset_password(
    names: Names,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    output: CredentialOutput = None,
    as_json: AsJson = False,
) -> None:
    """Give accounts new one-time passwords, and sign their users out everywhere."""
    settings, hub = connect_to_hub(settings_file)
    with create_credential_files(output) as files:
        answer = hub.post("classroom/accounts/reset-password", {"names": names})
        accounts = [{"name": name, "password": password} for name, password in answer["passwords"].items()]
        deliver_passwords(accounts, settings.site, files, as_json=as_json)
    print_outcome(answer if as_json else answer | {"changed": []}, "", "", as_json=as_json)


@app.command("reset-two-factor")
def reset_two_factor(names: Names, settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Turn two-factor login off for people who lost their phone and their recovery codes."""
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/accounts/reset-two-factor", {"names": names})
    print_outcome(answer, "Turned off two-factor login", "has no two-factor login", as_json=as_json)


@app.command()
def admin(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """List the instructors, and say how to add one."""
    from classroom.accounts.admin_password_file import admin_password_path  # noqa: PLC0415 - for this command only

    settings = load_settings(settings_file)
    secrets = str(settings.paths.state / "secrets")
    paths = {name: admin_password_path(secrets, name) for name in settings.admins}
    files = {name: str(path) for name, path in paths.items() if path.exists()}
    rows = ((name, f"one-time password in {files[name]}" if name in files else "") for name in settings.admins)
    data = [{"name": name, "one_time_password_file": files.get(name)} for name in settings.admins]
    print_result(build_table("Instructor", "", rows=rows), data, as_json=as_json)
    if not as_json:
        quoted = ", ".join(f'"{name}"' for name in (*settings.admins, "NAME"))
        print_text(
            f"\nInstructors come from the settings. To add one, write in {settings_file}\n"
            f"  admins = [{quoted}]\n"
            f"(on NixOS: services.classroom.admins = [ {quoted.replace(',', '')} ]) and restart the hub: it writes a\n"
            "one-time password for each instructor without a password. If you remove a name from admins, that\n"
            "account becomes a student's."
        )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with the columns name, full name, group.")],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done, and do nothing.")] = False,
    output: CredentialOutput = None,
    as_json: AsJson = False,
) -> None:
    """Create accounts from a CSV file. Nothing changes if the file has errors.

    One-time passwords are written to FILE-passwords.csv and
    FILE-passwords.html, a sheet to print and cut. A second import of the
    same file changes nothing.
    """
    from classroom.accounts import roster_csv  # noqa: PLC0415 - for this command only
    from classroom.hub_api import RefusedError  # noqa: PLC0415 - as above

    settings, hub = connect_to_hub(settings_file)
    rows = roster_csv.read_roster(file)
    new_accounts = [{"name": row.name, "full_name": row.full_name, "group": row.group} for row in rows]
    try:
        planned = hub.post("classroom/accounts", {"accounts": new_accounts, "dry_run": True})["accounts"]
    except RefusedError as error:
        if not (mistakes := error.data.get("mistakes")):
            raise
        messages = roster_csv.RosterCsvError.of_lines(
            {rows[mistake["line"]].line: mistake["message"] for mistake in mistakes}
        )
        raise roster_csv.RosterCsvError(f"{messages}\nNothing was done. Fix the file and try again.") from error
    if dry_run:
        _print_import(planned, as_json=as_json)
        if not as_json:
            print_text("Nothing was done: this was a dry run.")
        return
    needs_passwords = any(account["deed"] in _WITH_PASSWORD for account in planned)
    stem = output or (None if as_json else f"{file.stem}-passwords")
    with create_credential_files(stem if needs_passwords else None) as files:
        accounts: list[dict[str, Any]] = hub.post("classroom/accounts", {"accounts": new_accounts})["accounts"]
        _print_import(accounts, as_json=as_json)
        deliver_passwords(accounts, settings.site, files, as_json=as_json)
    _exit_if_failed(accounts)


def _print_import(accounts: list[dict[str, Any]], *, as_json: bool) -> None:
    changed = [account for account in accounts if account["deed"] != "nothing"]
    rows = ((row["name"], row["full_name"], row["group"], _OUTCOMES[row["deed"]]) for row in changed)
    if changed or as_json:
        print_result(build_table("Name", "Full name", "Group", "", rows=rows), accounts, as_json=as_json)
    if not as_json:
        counts = Counter(account["deed"] for account in accounts)
        print_text("; ".join(f"{count} {_COUNTED_OUTCOMES[outcome]}" for outcome, count in counts.items()) + ".")


def _exit_if_failed(accounts: list[dict[str, Any]]) -> None:
    if any(account["deed"] in _FAILED for account in accounts):
        raise typer.Exit(1)


def _account_state(account: dict[str, Any]) -> str:
    state = {"waiting": "waiting for approval", "revoked": "closed", "approved": "open"}[account["state"]]
    if account["admin"]:
        state = "instructor"
    if account["two_factor"]:
        state = f"{state}, two-factor"
    if not account["has_password"]:
        return f"{state}, no password"
    return f"{state}, one-time password" if account["must_change"] else state
