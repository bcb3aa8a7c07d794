"""`classroom doctor` and `classroom storage`: what is wrong with the class, and what the homes contain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, print_result, print_text
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.models import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.doctor.checks import Finding


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The settings file.")] = None,
    machine: Annotated[
        bool, typer.Option("--machine", help="Check the features of this machine, before or after the installation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a settings file, or with --machine this machine. Print each mistake and what to write instead.

    With --machine the exit status is 1 if the class would not run, or not be safe, on this machine.
    """
    if file is None and not machine:
        raise typer.BadParameter("write the settings file, or --machine", param_hint="FILE")
    settings = load_settings(file) if file else Settings()
    if file:
        print_text(f"{file}: valid. {_summary(settings)}", err=machine)
    if machine:
        from classroom.doctor import features, report  # noqa: PLC0415 - takes a while to import
        from classroom.doctor.checks import run_checks  # noqa: PLC0415 - as above

        _print_findings(report.with_operator_commands(run_checks(features.machine_checks(settings))), as_json=as_json)


def _summary(settings: Settings) -> str:
    admins = ", ".join(settings.admins) or 'nobody yet: add admins = ["teacher"]'
    return f"Instructors: {admins}. Address: {settings.site.external_url or 'any'}"


def doctor(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    nginx: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help="Address of Nginx, if not the port of site.externalUrl."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check all parts of the class. Print each problem with the command that fixes it; exit with 1 if there is one."""
    from classroom.doctor import report  # noqa: PLC0415 - takes a while to import
    from classroom.doctor.checks import ok, run_checks, wrong  # noqa: PLC0415 - as above

    try:
        settings = load_settings(settings_file)
    except ClassroomError as error:
        findings: tuple[Finding, ...] = (wrong("settings", str(error), f"classroom check {settings_file}"),)
    else:
        findings = (ok("settings", f"{settings_file} is valid."), *run_checks(report.all_checks(settings, nginx)))
    _print_findings(report.with_operator_commands(findings), as_json=as_json)


def _print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    from classroom.doctor import report  # noqa: PLC0415 - takes a while to import

    data = {"well": report.is_well(findings), "findings": [finding.as_data() for finding in findings]}
    print_result(report.render_report(findings), data, as_json=as_json)
    if not report.is_well(findings):
        raise typer.Exit(1)


def storage(settings_file: SettingsFile = DEFAULT_SETTINGS, as_json: AsJson = False) -> None:
    """Show disk use, quota and last change of each home, including those of removed students."""
    from classroom.storage.report import inspect_homes  # noqa: PLC0415 - the engine's client takes a while to import

    report = inspect_homes(load_settings(settings_file))
    print_result(report.as_table(), report.as_data(), as_json=as_json)
    if not as_json:
        for problem in report.problems:
            print_text(problem, err=True)
