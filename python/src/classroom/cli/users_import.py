"""`classroom users import`: a whole class list at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from classroom.cli.credential_files import WORDS, reserved
from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, hub_of, show, table
from classroom.cli.users import Output, hand_out

_NOT_DONE = frozenset({"waits", "closed"})
_PASSWORD = frozenset({"add", "give-password"})


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with the columns name, full name, group.")],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and do nothing.")] = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Have all people of a list have an account; with a mistake in the list nothing is done.

    One-time passwords are written to FILE-passwords.csv and
    FILE-passwords.html, a sheet to print and cut. A second run of the same
    list changes nothing.
    """
    from classroom.accounts import roster_csv  # noqa: PLC0415 - for this command only
    from classroom.hub_api import RefusedError  # noqa: PLC0415 - as above

    settings, hub = hub_of(settings_file)
    rows = roster_csv.read_roster(file)
    wanted = [{"name": row.name, "full_name": row.full_name, "group": row.group} for row in rows]
    try:
        planned = hub.post("classroom/accounts", {"accounts": wanted, "dry_run": True})["accounts"]
    except RefusedError as error:
        if not (mistakes := error.data.get("mistakes")):
            raise
        named = roster_csv.RosterCsvError.of_lines({rows[each["line"]].line: each["message"] for each in mistakes})
        raise roster_csv.RosterCsvError(f"{named}\nNothing was done. Mend the list and try again.") from error
    if dry_run:
        _tell(planned, as_json=as_json)
        if not as_json:
            typer.echo("Nothing was done: this was a dry run.")
        return
    needs = any(each["deed"] in _PASSWORD for each in planned)
    stem = output or (None if as_json else f"{file.stem}-passwords")
    with reserved(stem if needs else None) as files:
        done = hub.post("classroom/accounts", {"accounts": wanted})["accounts"]
        _tell(done, as_json=as_json)
        hand_out(done, settings, files, as_json=as_json)
    if any(each["deed"] in _NOT_DONE for each in done):
        raise typer.Exit(1)


def _tell(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show("", lines, as_json=True)
        return
    changed = [each for each in lines if each["deed"] != "nothing"]
    rows = ((each["name"], each["full_name"], each["group"], WORDS[each["deed"]]) for each in changed)
    if changed:
        show(table("Name", "Full name", "Group", "", rows=rows), changed)
    counts = Counter(each["deed"] for each in lines)
    typer.echo("; ".join(f"{count} {_COUNTED[deed]}" for deed, count in counts.items()) + ".")


_COUNTED = {
    "add": "new",
    "give-password": "without a password until now",
    "update": "brought up to date",
    "nothing": "there already",
    "waits": "waiting for approval, not touched",
    "closed": "closed, not touched",
}
