from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.gpus.telemetry.collector import Collector, container_in_cgroups, container_of
from classroom.gpus.telemetry.nvml import Process, Reading
from classroom.gpus.telemetry.sample import (
    FRESH,
    Card,
    ContainerUse,
    Sample,
    cards_by_device,
    read_sample,
    write_sample,
)
from support.gpus import inventory, nvidia, with_mig

ADA, BEN = "a" * 64, "b" * 64
NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("cgroups", "expected"),
    [
        (f"0::/system.slice/docker-{ADA}.scope\n", ADA),
        (f"0::/docker/{ADA}\n", ADA),
        (f"0::/docker/{ADA}/init.scope\n", ADA),
        (f"0::/docker/{ADA}/docker/{BEN}\n", ADA),
        (f"12:memory:/docker/{ADA}\n11:cpu:/docker/{ADA}\n0::/\n", ADA),
        (f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ADA}.scope", ADA),
        ("0::/system.slice/sshd.service\n", None),
        (f"0::/system.slice/{ADA[:63]}.scope\n", None),
        (f"0::/system.slice/run-{ADA}.scope\n", None),
        ("", None),
    ],
)
def test_a_process_is_in_the_container_of_its_control_group(cgroups: str, expected: str | None) -> None:
    assert container_in_cgroups(cgroups) == expected


def test_a_process_has_one_container_and_an_ended_one_has_none(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"0::/docker/{ADA}\n")
    assert container_of(7, tmp_path) == ADA
    assert container_of(8, tmp_path) is None


def reading(*processes: Process) -> Reading:
    return Reading("0", "GPU-1", "Card", 1, 2, 0.5, processes)


def collector() -> Collector:
    return Collector({1: ADA, 2: BEN, 3: None}.get, began=100)


def test_a_container_is_idle_since_its_last_process_ran() -> None:
    measured = collector()
    measured.collect([reading(Process(1, 500, 0.2), Process(2, 300, 0.0), Process(3, 9, 1.0))], 110, NOON)
    sample = measured.collect([reading(Process(1, 500, 0.0), Process(2, 300, 0.0))], 400, NOON)
    assert sample.containers == {ADA: ContainerUse(idle=290, memory=500), BEN: ContainerUse(idle=300, memory=300)}
    assert sample.idle(ADA, age=1000) == 290
    assert sample.idle("c" * 64, age=1000) == 300, "a container without GPU processes, since the collector began"
    assert sample.idle("c" * 64, age=5) == 5, "not longer than the container's age"


def test_unknown_use_counts_as_use() -> None:
    sample = collector().collect([reading(Process(1, 0, None))], 900, NOON)
    assert sample.idle(ADA, age=1000) == 0


def test_an_ended_process_does_not_make_its_container_busy() -> None:
    measured = collector()
    measured.collect([reading(Process(1, 500, 1.0))], 110, NOON)
    sample = measured.collect([reading()], 710, NOON)
    assert sample.containers == {ADA: ContainerUse(idle=600, memory=0)}


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from([None, 0.0, 0.4])), max_size=30), st.floats(0, 1e7))
def test_idle_time_is_at_most_the_collectors_and_the_containers_age(
    looks: list[tuple[float, float | None]], age: float
) -> None:
    measured, moment = collector(), 100.0
    for pause, use in looks:
        moment += pause
        sample = measured.collect([reading(Process(1, 1, use))], moment, NOON)
        assert 0 <= sample.idle(ADA, age) <= min(age, sample.watched)
        assert use == 0.0 or sample.idle(ADA, age) == 0


def test_a_written_sample_is_read_back(tmp_path: Path) -> None:
    card = Card(index="0", uuid="GPU-1", name="Card", memory_used=1, memory_total=2, use=None)
    sample = Sample(taken=NOON, watched=10, cards=(card,), containers={ADA: ContainerUse(idle=3, memory=4)})
    write_sample(tmp_path / "sample.json", sample)
    write_sample(tmp_path / "sample.json", sample)
    assert read_sample(tmp_path / "sample.json", NOON + 10) == sample
    assert [path.name for path in tmp_path.iterdir()] == ["sample.json"]


@pytest.mark.parametrize("late", [FRESH + 1, -FRESH - 1], ids=["old", "of a clock that was set back"])
def test_an_old_sample_is_ignored(tmp_path: Path, late: float) -> None:
    write_sample(tmp_path / "sample.json", Sample(taken=NOON, watched=10))
    assert read_sample(tmp_path / "sample.json", NOON + late) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2, "taken": 1800000000, "watched": 1}', "\x00\xff"])
def test_an_unknown_file_is_ignored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sample.json"
    path.write_text(text)
    assert read_sample(path, NOON) is None
    assert read_sample(tmp_path / "none.json", NOON) is None


def test_a_card_is_found_by_its_index_its_uuid_or_its_instance() -> None:
    def card(index: str, uuid: str) -> Card:
        return Card(index=index, uuid=uuid, name=uuid, memory_used=1, memory_total=2)

    sample = Sample(taken=NOON, watched=1, cards=(card("0:1", "MIG-1"), card("5", "GPU-00000001")))
    found = {
        name: card.name for name, card in cards_by_device(sample, inventory(nvidia(2, uuids=True)).devices).items()
    }
    assert found == {"nvidia.com/gpu=1": "GPU-00000001"}
    divided = {name: card.name for name, card in cards_by_device(sample, inventory(with_mig(2, 2)).devices).items()}
    assert divided == {"nvidia.com/gpu=0:1": "MIG-1"}
    assert cards_by_device(None, ()) == {}
