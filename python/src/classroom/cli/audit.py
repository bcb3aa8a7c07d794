"""`classroom audit`: who did what, when and from where."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
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
from classroom.settings.file import load_settings

_AGE = re.compile(r"(\d{1,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


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
    selection = Selection(user, _parse_since(since) if since else None)
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


def _parse_since(text: str) -> datetime:
    """Return the time that a text means.

    Raises:
        BadParameter: the text is no time.
    """
    if match := _AGE.fullmatch(text):
        return datetime.now().astimezone() - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        message = 'write how long ago, such as 12h or 7d, or a time such as 2027-01-15 or "2027-01-15 15:30"'
        raise typer.BadParameter(message, param_hint="--since") from error
