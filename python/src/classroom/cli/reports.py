"""`classroom doctor` and `classroom storage`: what is wrong with the class, and what the homes contain."""

from __future__ import annotations

from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, print_result, print_text
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings


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
    from classroom.doctor.checks import Finding, ok, run_checks, wrong  # noqa: PLC0415 - as above

    try:
        settings = load_settings(settings_file)
    except ClassroomError as error:
        findings: tuple[Finding, ...] = (wrong("settings", str(error), f"classroom check {settings_file}"),)
    else:
        findings = (ok("settings", f"{settings_file} is valid."), *run_checks(report.all_checks(settings, nginx)))
    findings = report.with_operator_commands(findings)
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
