"""`classroom gpus`: GPUs and who uses them, their self-test, and the services that measure and share them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, print_result, print_text
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.groups import settings_for_group
from classroom.settings.parts import part

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
    """Show each GPU with its student, since when and by which policy; or run one of the commands below."""
    if context.invoked_subcommand:
        return
    from classroom.gpus.report import inspect_gpus  # noqa: PLC0415 - the engine's client takes a while to import

    report = inspect_gpus(_container_settings(settings_file))
    print_result(report.as_table(), report.as_data(), as_json=as_json)
    if not as_json:
        for problem in report.problems:
            print_text(problem, err=True)


@app.command("test")
def selftest(
    student: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Test in this student's running server.")
    ] = None,
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    group: Annotated[str | None, typer.Option(help="Use the image, limits and GPUs of this group.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start the students' image on each GPU and print what PyTorch finds. Exit with 1 if a GPU does not work."""
    from classroom.gpus.selftest import run_selftest, selftest_table  # noqa: PLC0415 - as above

    settings = _container_settings(settings_file)
    results = list(run_selftest(settings if group is None else settings_for_group(settings, group), student))
    print_result(selftest_table(results), [result.as_data() for result in results], as_json=as_json)
    if not all(result.works for result in results):
        raise typer.Exit(1)


@app.command()
def mps(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run CUDA's Multi-Process Service, as gpu.mps says (as root). NixOS runs it as classroom-mps.service."""
    from classroom.gpus.mps import run_daemon  # noqa: PLC0415 - the driver's library is for this command only

    settings = part(load_settings(settings_file), "mps")
    if not settings.gpu.mps.enable:
        raise ClassroomError(f"{settings_file}: gpu.mps is off; write enable = true in gpu.mps")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_daemon(settings.gpu.mps)


@app.command()
def sample(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    once: Annotated[bool, typer.Option("--once", help="Print one sample as JSON instead.")] = False,
) -> None:
    """Measure the GPUs and who uses them, for the hub, until stopped. NixOS runs it as classroom-gpus.service."""
    from classroom.gpus.telemetry import collector  # noqa: PLC0415 - the driver's library is for this command only

    if once:
        typer.echo(collector.collect_once().model_dump_json(indent=2))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    collector.run_collector(part(load_settings(settings_file), "gpus").gpu.samples)


def _container_settings(settings_file: Path) -> Settings:
    settings = load_settings(settings_file)
    if settings.spawner == "process":
        raise ClassroomError('spawner is "process": servers see the GPUs that the hub sees, and none is allocated.')
    return settings
