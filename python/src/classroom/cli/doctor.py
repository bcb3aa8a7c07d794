"""`classroom doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, AsJson, SettingsFile, show
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings


def doctor(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    nginx: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help="Where Nginx listens, if not at the port of site.externalUrl."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at all parts of the class: what is wrong, and the command that mends it. Exits 1 if something is."""
    from classroom.doctor import report  # noqa: PLC0415 - takes a while to import
    from classroom.doctor.checks import Finding, examine, ok, wrong  # noqa: PLC0415 - as above

    try:
        settings = load_settings(settings_file)
    except ClassroomError as error:
        findings: tuple[Finding, ...] = (wrong("settings", str(error), f"classroom check {settings_file}"),)
    else:
        findings = (ok("settings", f"{settings_file} is right."), *examine(report.checks(settings, nginx)))
    findings = report.with_commands_of_this_class(findings)
    data = {"well": report.is_well(findings), "findings": [finding.as_data() for finding in findings]}
    show(report.as_screen(findings), data, as_json=as_json)
    if not report.is_well(findings):
        raise typer.Exit(1)
