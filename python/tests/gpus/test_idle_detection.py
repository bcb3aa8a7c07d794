from __future__ import annotations

import pytest

from classroom.gpus.idle_detection import idle_leases
from classroom.gpus.leases import Lease
from classroom.gpus.telemetry.sample import ContainerUse, Sample

ADA, BEN = (Lease(name, ("nvidia.com/gpu=0",), container=f"c-{name}", container_id=name) for name in ("ada", "ben"))
OLD = {ADA.key: 9000.0, BEN.key: 9000.0}


def sample(watched: float, **idle: float) -> Sample:
    return Sample(
        taken=0, watched=watched, containers={name: ContainerUse(idle=seconds) for name, seconds in idle.items()}
    )


@pytest.mark.parametrize(
    ("seen", "ages", "expected"),
    [
        (sample(5000, ada=100, ben=4000), OLD, {BEN: 4000}),
        (sample(5000, ada=100), OLD, {BEN: 5000}),
        (sample(300, ada=300, ben=300), OLD, {}),
        (sample(5000, ada=4000, ben=4000), OLD | {ADA.key: 60.0}, {BEN: 4000}),
        (None, OLD, {}),
    ],
    ids=["one works", "one never used it", "not watched for long", "one came just now", "nobody watches"],
)
def test_only_known_idle_time_counts(
    seen: Sample | None, ages: dict[object, float], expected: dict[Lease, float]
) -> None:
    assert idle_leases({ADA: 1800, BEN: 1800}, seen, ages) == expected  # type: ignore[arg-type] - keys of leases


def test_each_lease_has_its_own_idle_limit() -> None:
    seen = sample(5000, ada=2000, ben=2000)
    assert idle_leases({ADA: 1800, BEN: 3600}, seen, OLD) == {ADA: 2000}
    assert idle_leases({BEN: 1800}, seen, OLD) == {BEN: 2000}, "leases without a limit are not checked"
