from __future__ import annotations

from io import StringIO

from rich.console import Console

from classroom.gpus.inventory import Inventory
from classroom.gpus.leases import Lease
from classroom.gpus.report import Report, make_report
from classroom.gpus.telemetry.sample import Card, Sample
from classroom.settings.models import Gpu
from support.gpus import inventory, nvidia

NOON = 1_800_000_000


def shown(found: Report) -> list[list[str]]:
    out = StringIO()
    Console(file=out, width=200).print(found.as_table(NOON + 7500))
    return [line.split() for line in out.getvalue().splitlines()]


def test_each_device_and_each_of_its_students_has_a_row() -> None:
    leases = [
        Lease("ben", ("nvidia.com/gpu=1",), since=NOON, policy="shared"),
        Lease("ada", ("nvidia.com/gpu=1",), since=NOON, policy="shared"),
        Lease("cem", ("nvidia.com/gpu=7",), since=NOON, policy="exclusive"),
    ]
    found = make_report(Gpu(policy="shared"), inventory(nvidia(3)), leases)
    assert [(row.device, row.student) for row in found.rows] == [
        ("0", None),
        ("1", "ada"),
        ("1", "ben"),
        ("2", None),
        ("nvidia.com/gpu=7", "cem"),
    ]
    assert found.rows[4].note == "no longer on this machine"
    assert found.as_data()["rows"][1]["since"] == "2027-01-15T08:00:00+00:00"


def test_the_table_says_how_long() -> None:
    lines = shown(
        make_report(Gpu(policy="exclusive"), inventory(nvidia(2)), [Lease("ada", ("nvidia.com/gpu=0",), since=NOON)])
    )
    assert lines[1][:2] == ["0", "ada"]
    assert lines[1][-4:] == ["(2", "h", "5", "min)"]
    assert lines[2] == ["1", "free"]


def test_a_students_name_is_no_markup() -> None:
    lines = shown(
        make_report(Gpu(policy="shared"), inventory(nvidia(1)), [Lease("[red]x[/red]", ("nvidia.com/gpu=0",))])
    )
    assert lines[1][1] == "[red]x[/red]"


def test_a_device_that_is_not_for_students_has_a_note() -> None:
    found = make_report(Gpu(policy="exclusive", devices=("0",)), inventory(nvidia(2)), [])
    assert [row.note for row in found.rows] == ["", "not for students (gpu.devices)"]


def test_a_groups_devices_are_for_students() -> None:
    everyone, group = Gpu(policy="exclusive", devices=("0",)), Gpu(policy="shared", devices=("1",))
    rules = {"gpu": everyone, "groups.ml.gpu": group}
    found = make_report(everyone, inventory(nvidia(3)), [], rules=rules)
    assert [row.note for row in found.rows] == ["", "", "not for students (gpu.devices)"]
    assert found.policy == "exclusive; groups.ml: shared"


def test_each_rules_problems_are_reported_and_equal_ones_once() -> None:
    everyone = Gpu(policy="exclusive", devices=("0", "7"))
    group = everyone.model_copy(update={"per_student": 2})
    found = make_report(everyone, inventory(nvidia(2)), [], rules={"gpu": everyone, "groups.ml.gpu": group})
    assert [problem.split(" ")[0] for problem in found.problems] == ["gpu.devices:", "groups.ml.gpu.perStudent"]


def test_a_machine_without_a_gpu_says_what_to_do() -> None:
    assert "nvidia-ctk cdi generate" in make_report(Gpu(policy="shared"), Inventory(), []).problems[0]


def test_measurements_are_in_the_row_of_each_device() -> None:
    card = Card(index="0", uuid="GPU-1", name="H100", memory_used=8_000_000_000, memory_total=80_000_000_000, use=0.375)
    lease = Lease("ada", ("nvidia.com/gpu=0",), since=NOON)
    found = make_report(
        Gpu(policy="exclusive"), inventory(nvidia(2)), [lease], Sample(taken=NOON, watched=1, cards=(card,))
    )
    assert shown(found)[1][:7] == ["0", "H100", "7.5G", "of", "74.5G", "38%", "ada"]
    assert shown(found)[2] == ["1", "free"]
    assert found.as_data()["rows"][0]["memory_used"] == 8_000_000_000
