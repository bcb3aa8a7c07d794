"""All checks of a class, and their findings as one screen."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from classroom.doctor import certificate, engine, gpus, machine, network, shared_folders, site, state, units
from classroom.doctor.checks import Check, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from classroom.doctor.checks import Finding
    from classroom.settings.models import Settings

_MARKS = {State.OK: ("ok", "green"), State.WARNING: ("look", "yellow"), State.WRONG: ("wrong", "bold red")}


def checks(settings: Settings, address: str | None = None) -> list[Check]:
    """What there is to look at for these settings.

    Args:
        settings: the class's.
        address: where Nginx listens on this machine; found out unless told.
    """
    made = [
        Check(site.HUB, functools.partial(site.look_at_hub, settings)),
        Check(site.PROXY, functools.partial(site.look_at_proxy, settings)),
        Check(site.NGINX, functools.partial(site.look_at_nginx, settings, address)),
        Check(certificate.ABOUT, functools.partial(certificate.look, settings.site.external_url)),
    ]
    if settings.spawner == "docker":
        made += [
            Check(engine.ABOUT, functools.partial(engine.look, settings)),
            Check(engine.CONFIGURATION, functools.partial(engine.look_at_configuration, settings)),
            Check(engine.IMAGE, functools.partial(engine.look_at_image, settings)),
            Check(network.BRIDGE, functools.partial(network.look, settings)),
            Check(network.FIREWALL, functools.partial(network.look_at_firewall, settings)),
            Check(gpus.ABOUT, functools.partial(gpus.look, settings)),
            Check(shared_folders.ABOUT, functools.partial(shared_folders.look, settings)),
        ]
    return [
        *made,
        Check(machine.DISK, functools.partial(machine.look_at_disks, settings)),
        Check(machine.CLOCK, machine.look_at_clock),
        Check(state.SECRETS, functools.partial(state.look_at_secrets, settings.paths.state)),
        Check(state.DATABASE, functools.partial(state.look_at_database, settings.paths.state)),
        Check(state.BACKUP, functools.partial(state.look_at_backup, settings)),
        Check(units.ABOUT, units.look),
    ]


def with_commands_of_this_class(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The same, each command as it is typed where this class runs."""
    return tuple(
        dataclasses.replace(finding, mend=units.typed_here(finding.mend)) if finding.mend else finding
        for finding in findings
    )


def is_well(findings: Sequence[Finding]) -> bool:
    """Nothing is wrong; there may be warnings."""
    return all(finding.state is not State.WRONG for finding in findings)


def as_screen(findings: Sequence[Finding]) -> RenderableType:
    """For people: what is wrong stands out, each with its command on a line of its own to copy."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        word, style = _MARKS[finding.state]
        table.add_row(Text(word, style), Text(finding.about), Text(finding.says))
        if finding.mend:
            table.add_row("", "", Text(f"-> {finding.mend}", "bold"))
    return Group(table, Padding(Text(summary(findings)), (1, 0, 0, 0)))


def summary(findings: Sequence[Finding]) -> str:
    """One sentence."""
    bad = sum(finding.state is State.WRONG for finding in findings)
    odd = sum(finding.state is State.WARNING for finding in findings)
    if not bad and not odd:
        return "All is well."
    return f"Wrong: {bad}. To look at: {odd}." if bad else f"Nothing is wrong. To look at: {odd}."
