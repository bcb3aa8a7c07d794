from __future__ import annotations

from typing import Any

import pytest

from classroom.gpus.leases import Lease, lease_labels, leases_of


def container(state: str = "running", **more: str) -> dict[str, Any]:
    return {
        "Names": ["/classroom-ada"],
        "State": state,
        "Created": 1_800_000_000,
        "Labels": {"org.classroom.user": "ada"} | {f"org.classroom.{key}": value for key, value in more.items()},
    }


def test_labels_of_a_container_give_back_the_lease() -> None:
    found = container() | {
        "Labels": container()["Labels"] | lease_labels(["nvidia.com/gpu=0"], ["/dev/nvidia0"], "exclusive")
    }
    assert leases_of([found]) == (
        Lease(
            "ada",
            ("nvidia.com/gpu=0",),
            ("/dev/nvidia0",),
            exclusive=True,
            since=1_800_000_000,
            container="classroom-ada",
            policy="exclusive",
        ),
    )


@pytest.mark.parametrize(
    ("state", "count"),
    [("created", 1), ("running", 1), ("paused", 1), ("restarting", 1), ("removing", 0), ("exited", 0), ("dead", 0)],
)
def test_a_lease_lasts_while_processes_can_use_the_device(state: str, count: int) -> None:
    assert len(leases_of([container(state, lease="nvidia.com/gpu=0")])) == count


def test_a_container_without_devices_holds_no_lease() -> None:
    assert leases_of([container(), container(lease="")]) == ()


@pytest.mark.parametrize(("label", "limit"), [({"lease-most": "3"}, 3), ({}, 0), ({"lease-most": "many"}, 0)])
def test_the_promised_limit_is_a_label(label: dict[str, str], limit: int) -> None:
    assert leases_of([container(lease="nvidia.com/gpu=0", **label)])[0].limit == limit
    assert lease_labels(["nvidia.com/gpu=0"], [], "shared", 3)["org.classroom.lease-most"] == "3"
