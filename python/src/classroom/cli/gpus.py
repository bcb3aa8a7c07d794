"""`classroom gpus`: who holds which GPU."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.groups import class_of

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.settings.models import Settings

app = typer.Typer()


@app.callback(invoke_without_command=True)
def gpus(
    context: typer.Context,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Show who holds which GPU, since when, by which policy; or do one of the commands below."""
    if context.invoked_subcommand:
        return
    from classroom.gpus.report import look  # noqa: PLC0415 - the engine's client takes a while to import

    found = look(_with_containers(settings_file))
    show(found.as_table(), found.as_data(), as_json=as_json)
    if not as_json:
        for mistake in found.mistakes:
            typer.secho(mistake, err=True)


@app.command("test")
def try_out(
    student: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Ask this student's running server instead.")
    ] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    group: Annotated[str | None, typer.Option(help="With the image, limits and GPUs of this group.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start the students' image on each GPU and say what PyTorch finds there. Ends with 1 if one does not work."""
    from classroom.gpus.selftest import as_data, table, trials  # noqa: PLC0415 - as above

    settings = _with_containers(settings_file)
    found = list(trials(settings if group is None else class_of(settings, group), student))
    show(table(found), as_data(found), as_json=as_json)
    if not all(each.works for each in found):
        raise typer.Exit(1)


@app.command()
def mps(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run CUDA's Multi-Process Service, as gpu.mps says (as root). NixOS runs it as classroom-mps.service."""
    from classroom.gpus.mps import run  # noqa: PLC0415 - the driver's library is for this command only

    settings = load_settings(settings_file)
    if not settings.gpu.mps.enable:
        raise ClassroomError(f"{settings_file}: gpu.mps is off; write enable = true in gpu.mps")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(settings.gpu.mps)


@app.command()
def sample(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    once: Annotated[bool, typer.Option("--once", help="Print one sample as JSON instead.")] = False,
) -> None:
    """Measure for ever what the GPUs do and who uses them, for the hub. NixOS runs it as classroom-gpus.service."""
    from classroom.gpus.telemetry import collector  # noqa: PLC0415 - the driver's library is for this command only

    if once:
        typer.echo(collector.once().model_dump_json(indent=2))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    collector.run(load_settings(settings_file).gpu.samples)


def _with_containers(settings_file: Path) -> Settings:
    settings = load_settings(settings_file)
    if settings.spawner == "process":
        raise ClassroomError('spawner is "process": servers see the GPUs that the hub sees, and none is handed out.')
    return settings
