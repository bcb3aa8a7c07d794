"""Who holds which GPU, for the operator: as data, and as a table for the terminal."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import docker.errors
from rich.table import Table
from rich.text import Text

from classroom.engine import API_VERSION
from classroom.errors import ClassroomError
from classroom.gpus.inventory import stock_at
from classroom.gpus.leases import LEASE, leases
from classroom.gpus.placement import held, mistakes, pool
from classroom.gpus.words import span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings import Gpu, Settings


@dataclass(frozen=True)
class Row:
    """A device and one who holds it, or nobody."""

    device: str
    names: tuple[str, ...]
    student: str | None = None
    since: str | None = None
    """ISO 8601, UTC."""
    policy: str | None = None
    """The policy by which the student has it."""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """The machine's GPUs now."""

    policy: str
    rows: tuple[Row, ...]
    mistakes: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def as_table(self, now: float | None = None) -> Table:
        """For people."""
        now = time.time() if now is None else now
        table = Table("GPU", "Student", "Since", "Policy", "", caption=f"Policy: {self.policy}", box=None)
        for row in self.rows:
            since = ""
            if row.since:
                begun = datetime.fromisoformat(row.since)
                since = f"{begun.astimezone():%Y-%m-%d %H:%M} ({span(now - begun.timestamp())})"
            cells = (row.device, row.student or "free" * (not row.note), since, row.policy or "", row.note)
            table.add_row(*(Text(cell) for cell in cells))
        return table


def report(gpu: Gpu, inventory: Inventory, found: Iterable[Lease]) -> Report:
    """Lay leases beside the inventory. A lease on a device that is no longer there is a row of its own."""
    found = sorted(found, key=lambda lease: (lease.since, lease.holder))
    given = pool(gpu, inventory) if gpu.policy in {"exclusive", "shared"} else inventory.devices
    rows = []
    for device in inventory.devices:
        note = "" if device in given else "not handed out (gpu.devices)"
        mine = [lease for lease in found if device.identity in held(inventory, lease)]
        rows += [_row(device.label, device.names, lease) for lease in mine] or [
            Row(device.label, device.names, note=note)
        ]
    for lease in found:
        rows += [
            _row(name, (name,), lease, "no longer on this machine")
            for name in lease.names
            if name not in inventory.names
        ]
    return Report(gpu.policy, tuple(rows), mistakes(gpu, inventory))


def _row(device: str, names: tuple[str, ...], lease: Lease, note: str = "") -> Row:
    since = datetime.fromtimestamp(lease.since, UTC).isoformat()
    return Row(device, names, lease.holder, since, lease.policy or None, note)


def look(settings: Settings) -> Report:
    """The report of this machine.

    Raises:
        ClassroomError: the engine does not answer.
    """
    inventory = stock_at(settings.gpu.cdi_dirs).read()
    try:
        client = docker.APIClient(base_url=settings.docker.host, version=API_VERSION, timeout=20)
        containers = client.containers(all=True, filters={"label": [LEASE]})
    except (docker.errors.DockerException, OSError) as error:
        raise ClassroomError(
            f"{settings.docker.host}: the Docker engine does not answer ({error}); start it, or run this as root"
        ) from error
    return report(settings.gpu, inventory, leases(containers))
