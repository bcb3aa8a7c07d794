"""Idle GPU detection: a pure function of the leases and the collector's last sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.gpus.leases import Lease, LeaseKey
    from classroom.gpus.telemetry.sample import Sample


def idle_leases(
    least: Mapping[Lease, float], sample: Sample | None, ages: Mapping[LeaseKey, float]
) -> dict[Lease, float]:
    """Return the leases with GPUs that have been unused for long enough, with the seconds.

    Unknown use counts as use: without a sample no lease is idle, and none for longer than the collector has watched.

    Args:
        least: current leases, each with the seconds from which it counts as idle.
        sample: a fresh sample, or None.
        ages: seconds that each lease has lasted.
    """
    if sample is None:
        return {}
    idle = {lease: sample.idle(lease.container_id, ages[lease.key]) for lease in least}
    return {lease: seconds for lease, seconds in idle.items() if seconds >= least[lease]}
