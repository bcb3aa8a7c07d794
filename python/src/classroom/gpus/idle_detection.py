"""Who has not used their GPUs for long: a pure function of the leases and the sampler's last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.gpus.preemption import lease_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.gpus.leases import Lease
    from classroom.gpus.preemption import LeaseKey
    from classroom.gpus.telemetry.sample import Sample


def idle_leases(
    least: Mapping[Lease, float], sample: Sample | None, ages: Mapping[LeaseKey, float]
) -> dict[Lease, float]:
    """The leases whose GPUs nothing has used for so long, and for how many seconds.

    What is not known is use: without a sample nobody is idle, and nobody for longer than the sampler has watched.

    Args:
        least: the leases that there are, and from how many seconds on each is named.
        sample: a fresh one, or None.
        ages: seconds that each lease has lasted.
    """
    if sample is None:
        return {}
    idle = {lease: sample.idle(lease.container_id, ages[lease_key(lease)]) for lease in least}
    return {lease: seconds for lease, seconds in idle.items() if seconds >= least[lease]}
