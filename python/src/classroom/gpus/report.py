"""GPU report for the operator: each device with its students, as data and as a table."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from classroom.docker.client import connect
from classroom.gpus.allocation import class_device_pool, class_gpu_problems, has_queue, leased_identities
from classroom.gpus.inventory import cdi_cache_at
from classroom.gpus.leases import LEASE, leases_of
from classroom.gpus.telemetry.sample import read_sample
from classroom.settings.groups import gpu_rules
from classroom.units import format_bytes, format_duration, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from classroom.gpus.inventory import Device, Inventory
    from classroom.gpus.leases import Lease
    from classroom.gpus.telemetry.sample import Sample
    from classroom.settings.models import Gpu, Settings


@dataclass(frozen=True)
class Row:
    """A device with one student, or without."""

    device: str
    names: tuple[str, ...]
    student: str | None = None
    since: str | None = None
    """ISO 8601, UTC."""
    policy: str | None = None
    """The policy of the lease."""
    note: str = ""
    model: str | None = None
    """The driver's name. This and the following are null where the collector does not run."""
    memory_used: int | None = None
    """Bytes, of all processes."""
    memory_total: int | None = None
    """Bytes."""
    use: float | None = None
    """Share of time in which something ran, 0 to 1."""

    @property
    def memory(self) -> str:
        """Return used and total memory, for people."""
        if self.memory_used is None or self.memory_total is None:
            return ""
        return f"{format_bytes(self.memory_used)} of {format_bytes(self.memory_total)}"

    @property
    def busy(self) -> str:
        """Return the use, for people."""
        return format_percent(self.use)


@dataclass(frozen=True)
class Report:
    """The machine's GPUs now."""

    policy: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...]

    @property
    def is_measured(self) -> bool:
        """Return whether the collector knows any of the devices."""
        return any(row.model for row in self.rows)

    def as_data(self) -> dict[str, Any]:
        """Return the data of `--json`."""
        return {"policy": self.policy, "rows": [asdict(row) for row in self.rows], "mistakes": self.problems}

    def as_table(self, now: float | None = None) -> Table:
        """Return the table for the terminal."""
        now = time.time() if now is None else now
        columns = ("Memory", "Use") if self.is_measured else ()
        table = Table("GPU", *columns, "Student", "Since", "Policy", "", caption=f"Policy: {self.policy}", box=None)
        for row in self.rows:
            since = ""
            if row.since:
                begun = datetime.fromisoformat(row.since)
                since = f"{begun.astimezone():%Y-%m-%d %H:%M} ({format_duration(now - begun.timestamp())})"
            device = f"{row.device} {row.model}" if row.model else row.device
            figures = (row.memory, row.busy) if self.is_measured else ()
            cells = (device, *figures, row.student or "free" * (not row.note), since, row.policy or "", row.note)
            table.add_row(*(Text(cell) for cell in cells))
        return table


def make_report(
    gpu: Gpu,
    inventory: Inventory,
    leases: Iterable[Lease],
    sample: Sample | None = None,
    rules: Mapping[str, Gpu] | None = None,
) -> Report:
    """Return the report of these leases, with a row for each lease on a device that no longer exists.

    Args:
        gpu: the site's rules.
        inventory: the machine.
        leases: everybody's.
        sample: the collector's last.
        rules: all rules by their paths in the settings, where groups have their own.
    """
    rules = rules or {"gpu": gpu}
    leases = sorted(leases, key=lambda lease: (lease.since, lease.holder))
    allocating = [rule for rule in rules.values() if rule.policy != "none"]
    is_limited = allocating and all(map(has_queue, allocating))
    pool = class_device_pool(allocating, inventory) if is_limited else inventory.devices
    rows = []
    for device in inventory.devices:
        note = "" if device in pool else "not for students (gpu.devices)"
        on_device = [lease for lease in leases if device.identity in leased_identities(inventory, lease)]
        device_rows = [_row(device.label, device.names, lease) for lease in on_device] or [
            Row(device.label, device.names, note=note)
        ]
        rows += [_measured(row, device, sample) for row in device_rows]
    for lease in leases:
        rows += [
            _row(name, (name,), lease, "no longer on this machine")
            for name in lease.names
            if name not in inventory.names
        ]
    policies = [f"{where.removesuffix('.gpu')}: {rule.policy}" for where, rule in rules.items() if rule != gpu]
    return Report("; ".join([gpu.policy, *policies]), tuple(rows), class_gpu_problems(rules, inventory))


def _row(device: str, names: tuple[str, ...], lease: Lease, note: str = "") -> Row:
    since = datetime.fromtimestamp(lease.since, UTC).isoformat()
    return Row(device, names, lease.holder, since, lease.policy or None, note)


def _measured(row: Row, device: Device, sample: Sample | None) -> Row:
    card = sample.card(device) if sample else None
    if card is None:
        return row
    return replace(row, model=card.name, memory_used=card.memory_used, memory_total=card.memory_total, use=card.use)


def inspect_gpus(settings: Settings) -> Report:
    """Return the report of this machine.

    Raises:
        EngineSilentError: the engine does not answer.
    """
    inventory = cdi_cache_at(settings.gpu.cdi_dirs).read()
    with connect(settings.docker.reports_host) as client:
        containers = client.containers(all=True, filters={"label": [LEASE]})
    return make_report(
        settings.gpu, inventory, leases_of(containers), read_sample(settings.gpu.samples), gpu_rules(settings)
    )
