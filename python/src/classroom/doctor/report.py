"""The report of all checks of a class."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from classroom.doctor import (
    certificate,
    engine,
    engine_filter,
    features,
    gpus,
    homes,
    kernel,
    machine,
    network,
    shared_folders,
    site,
    state,
    units,
)
from classroom.doctor.checks import Check, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

_MARKS = {State.OK: ("ok", "green"), State.WARNING: ("look", "yellow"), State.WRONG: ("wrong", "bold red")}


def all_checks(settings: Settings, address: str | None = None) -> list[Check]:
    """Return the checks for these settings.

    Args:
        settings: the class's.
        address: the address of Nginx on this machine; None detects it.
    """
    checks = [
        Check(site.HUB, functools.partial(site.check_hub, settings)),
        Check(site.PROXY, functools.partial(site.check_proxy, settings)),
        Check(site.NGINX, functools.partial(site.check_nginx, settings, address)),
        Check(certificate.ABOUT, functools.partial(certificate.check_certificate, settings.site.external_url)),
    ]
    if settings.spawner == "docker":
        checks += [
            Check(engine.ABOUT, functools.partial(engine.check_engine, settings)),
            Check(engine.CONFIGURATION, functools.partial(engine.check_engine_settings, settings)),
            Check(features.ABOUT, features.check_kernel_features),
            Check(kernel.ABOUT, functools.partial(kernel.check_kernel, settings)),
            Check(engine_filter.ABOUT, functools.partial(engine_filter.check_filter, settings)),
            Check(engine.IMAGE, functools.partial(engine.check_images, settings)),
            Check(network.BRIDGE, functools.partial(network.check_bridge, settings)),
            Check(network.FIREWALL, functools.partial(network.check_firewall, settings)),
            Check(network.TRANSLATION, functools.partial(network.check_translation, settings)),
            Check(homes.ABOUT, functools.partial(homes.check_homes, settings)),
            Check(homes.ABOUT, functools.partial(homes.check_limit, settings.storage)),
            Check(gpus.ABOUT, functools.partial(gpus.check_gpus, settings)),
            Check(shared_folders.ABOUT, functools.partial(shared_folders.check_shared_directories, settings)),
        ]
    return [
        *checks,
        Check(machine.DISK, functools.partial(machine.check_disks, settings)),
        Check(machine.CLOCK, machine.check_clock),
        Check(state.SECRETS, functools.partial(state.check_secrets, settings.paths.state)),
        Check(state.DATABASE, functools.partial(state.check_database, settings.paths.state)),
        Check(state.BACKUP, functools.partial(state.check_backup, settings)),
        Check(units.ABOUT, units.check_units),
    ]


def with_operator_commands(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings with commands for the machine or for Docker Compose, as this class runs."""
    return tuple(
        dataclasses.replace(finding, remedy=units.operator_command(finding.remedy)) if finding.remedy else finding
        for finding in findings
    )


def is_well(findings: Sequence[Finding]) -> bool:
    """Return whether nothing is wrong; warnings are allowed."""
    return all(finding.state is not State.WRONG for finding in findings)


def render_report(findings: Sequence[Finding]) -> RenderableType:
    """Return the table of findings; each command has a line of its own to copy."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        word, style = _MARKS[finding.state]
        table.add_row(Text(word, style), Text(finding.about), Text(finding.message))
        if finding.remedy:
            table.add_row("", "", Text(f"-> {finding.remedy}", "bold"))
    return Group(table, Padding(Text(summary(findings)), (1, 0, 0, 0)))


def summary(findings: Sequence[Finding]) -> str:
    """Return the number of problems and warnings as a sentence."""
    bad = sum(finding.state is State.WRONG for finding in findings)
    odd = sum(finding.state is State.WARNING for finding in findings)
    if not bad and not odd:
        return "No problems."
    return f"Problems: {bad}. Warnings: {odd}." if bad else f"No problems. Warnings: {odd}."
