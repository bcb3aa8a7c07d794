"""`classroom gpus reserve`, `reservations`, `cancel`: GPUs reserved for a lecture."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

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
from classroom.cli.time_args import parse_time


def reserve(  # noqa: PLR0913, PLR0917 - options of a command
    count: Annotated[int, typer.Argument(metavar="COUNT", min=1, max=1000, help="Number of GPUs.", show_default=False)],
    ends: Annotated[
        str, typer.Option("--to", metavar="TIME", help="The end: 15:30, or 90m after --from.", show_default=False)
    ],
    begins: Annotated[
        str, typer.Option("--from", metavar="TIME", help='The begin: 14:00, "2027-01-15 14:00".')
    ] = "now",
    group: Annotated[
        str, typer.Option(help="The group that gets the GPUs; without it, the instructors.", show_default=False)
    ] = "",
    clear: Annotated[
        bool, typer.Option("--clear", help="Stop other students' servers on these GPUs, with notice (gpu.notice).")
    ] = False,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Reserve GPUs for a lecture. Meanwhile only members of the group, or the instructors, get them."""
    now = datetime.now().astimezone()
    start = parse_time(begins, now, "--from")
    end = parse_time(ends, start, "--to")
    _, hub = connect_to_hub(settings_file)
    request = {"count": count, "begins": start.isoformat(), "ends": end.isoformat(), "group": group, "clear": clear}
    reservation: dict[str, Any] = hub.post("classroom/reservations", request)["reservation"]
    if as_json:
        print_json(reservation)
        return
    gpus = "1 GPU" if count == 1 else f"{count} GPUs"
    members = f"group {group}" if group else "the instructors"
    time = f"{format_time(reservation['begins'])} to {format_time(reservation['ends'])}"
    print_text(f"Number {reservation['id']}: {gpus} for {members}, {time}.")


def reservations(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """List current and future reservations."""
    _, hub = connect_to_hub(settings_file)
    listed: list[dict[str, Any]] = hub.get("classroom/reservations")["reservations"]
    rows = (
        (
            str(reservation["id"]),
            str(reservation["count"]),
            reservation["group"] or "(instructors)",
            format_time(reservation["begins"]),
            format_time(reservation["ends"]),
            ", ".join(["now"] * reservation["now"] + ["others are stopped for it"] * reservation["clear"]),
        )
        for reservation in listed
    )
    print_result(build_table("Number", "GPUs", "Group", "From", "To", "", rows=rows), listed, as_json=as_json)
    if not listed and not as_json:
        print_text("Nothing is reserved.")


def cancel(
    numbers: Annotated[
        list[int], typer.Argument(metavar="NUMBER", help="Numbers of `gpus reservations`.", show_default=False)
    ],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
) -> None:
    """Cancel reservations."""
    _, hub = connect_to_hub(settings_file)
    answer = hub.post("classroom/reservations/cancel", {"ids": numbers})
    if answer["cancelled"]:
        print_text(f"Cancelled: {', '.join(map(str, answer['cancelled']))}.")
    for number in answer["unknown"]:
        print_text(f"{number}: there is no such reservation. See: classroom gpus reservations", err=True)
    if answer["unknown"]:
        raise typer.Exit(1)
