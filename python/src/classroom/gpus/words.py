"""What students read about GPUs while they start."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING

from classroom.gpus.placement import held, pool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classroom.gpus.inventory import Inventory
    from classroom.gpus.leases import Lease
    from classroom.settings import Gpu

MAY_START_WITHOUT = "You may start without a GPU: everything else works, your code runs on the processor."


def span(seconds: float) -> str:
    """A duration as people say it: ``3 min``, ``2 h 5 min``, ``1 d 4 h``. A clock that was set back gives 0."""
    minutes = max(0, int(seconds // 60))
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def full_page(reason: str, gpu: Gpu, inventory: Inventory, leases: Iterable[Lease], now: float | None = None) -> str:
    """The start page's form when nothing is free. Nobody is named: who works is not everyone's business."""
    now = time.time() if now is None else now
    leases = tuple(leases)
    rows = []
    for device in pool(gpu, inventory):
        since = sorted(lease.since for lease in leases if device.identity in held(inventory, lease))
        shown = ", ".join(span(now - each) for each in since)
        rows.append(
            f"<tr><td>GPU {escape(device.label)}</td><td>{'in use for ' + shown if since else 'free'}</td></tr>"
        )
    return f"""<h1 class="h3">{escape(reason)}</h1>
<table class="table gpu-list"><tbody>{"".join(rows)}</tbody></table>
<p>{escape(MAY_START_WITHOUT)} A GPU becomes free when somebody stops their server.</p>
<p><button type="submit" name="gpu" value="no" class="btn btn-jupyter">Start without a GPU</button>
<a class="btn btn-outline-secondary" href="">Look again</a></p>"""
