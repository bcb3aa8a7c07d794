"""`classroom gpus reserve`, `reservations`, `cancel`: GPUs that are kept for a lecture."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, hub_of, show, table, when
from classroom.cli.time_args import moment


def reserve(  # noqa: PLR0913, PLR0917 - options of a command
    count: Annotated[int, typer.Argument(metavar="COUNT", min=1, max=1000, help="How many GPUs.", show_default=False)],
    ends: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Until when: 15:30, 90m after --from.", show_default=False)
    ],
    begins: Annotated[
        str, typer.Option("--from", metavar="TIME", help='From when: 14:00, "2027-01-15 14:00".')
    ] = "now",
    group: Annotated[
        str, typer.Option(help="Whose members may have them; without it, the instructors.", show_default=False)
    ] = "",
    clear: Annotated[
        bool, typer.Option("--clear", help="Stop servers of others that are on them, with notice (gpu.notice).")
    ] = False,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Keep GPUs for a lecture: only members of a group, or instructors, are given them meanwhile."""
    # The zone of this machine is the one that the operator means.
    present = datetime.now().astimezone()
    start = moment(begins, present, "--from")
    end = moment(ends, start, "--to")
    _, hub = hub_of(settings_file)
    wanted = {"count": count, "begins": start.isoformat(), "ends": end.isoformat(), "group": group, "clear": clear}
    made: dict[str, Any] = hub.post("classroom/reservations", wanted)["reservation"]
    if as_json:
        show("", made, as_json=True)
        return
    gpus = "1 GPU" if count == 1 else f"{count} GPUs"
    whom = f"group {group}" if group else "the instructors"
    typer.echo(f"Number {made['id']}: {gpus} for {whom}, {when(made['begins'])} to {when(made['ends'])}.")


def reservations(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """List the reservations that are not over."""
    _, hub = hub_of(settings_file)
    found: list[dict[str, Any]] = hub.get("classroom/reservations")["reservations"]
    rows = (
        (
            str(each["id"]),
            str(each["count"]),
            each["group"] or "(instructors)",
            when(each["begins"]),
            when(each["ends"]),
            ", ".join(["now"] * each["now"] + ["others are stopped for it"] * each["clear"]),
        )
        for each in found
    )
    show(table("Number", "GPUs", "Group", "From", "To", "", rows=rows), found, as_json=as_json)
    if not found and not as_json:
        typer.echo("Nothing is reserved.")


def cancel(
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER", help="As the list says.", show_default=False)],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
) -> None:
    """Take reservations back."""
    _, hub = hub_of(settings_file)
    answer = hub.post("classroom/reservations/cancel", {"ids": numbers})
    if answer["cancelled"]:
        typer.echo(f"Cancelled: {', '.join(map(str, answer['cancelled']))}.")
    for each in answer["unknown"]:
        typer.echo(f"{each}: there is no such reservation. See: classroom gpus reservations", err=True)
    if answer["unknown"]:
        raise typer.Exit(1)
