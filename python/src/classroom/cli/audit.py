"""`classroom audit`: who did what, when and from where."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from classroom.audit.reader import Selection, read_events
from classroom.cli.output import (
    DEFAULT_SETTINGS,
    AsJson,
    SettingsFile,
    build_table,
    format_time,
    print_json,
    print_result,
    print_text,
)
from classroom.cli.time_args import parse_since
from classroom.settings.file import load_settings


def audit(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="Only events by or about this user.", show_default=False)
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Not before: 12h or 7d ago, or a date.", show_default=False)
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Also print new events, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the audit log: sign-ups, logins, starts, visits of servers, and actions of instructors."""
    settings = load_settings(settings_file)
    selection = Selection(user, parse_since(since, "--since") if since else None)
    events = read_events(settings.paths.state / "audit", selection, follow=follow)
    if follow:
        for event in events:
            print_text(json.dumps(event) if as_json else "  ".join(cell for cell in _cells(event) if cell))
        return
    rows = list(events)
    if as_json:
        print_json(rows)
    else:
        headings = ("Time", "Event", "User", "By", "Address", "Detail")
        print_result(build_table(*headings, rows=map(_cells, rows)), rows, as_json=False)


def _cells(event: dict[str, str]) -> tuple[str, ...]:
    names = ("action", "user", "by", "address", "detail")
    return (format_time(event["time"]), *(event.get(name, "") for name in names))
