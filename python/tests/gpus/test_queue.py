from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from sqlalchemy import select
from sqlalchemy.orm import Session

from classroom.db.models import QueueRow
from classroom.gpus import queue
from classroom.gpus.allocation import Busy, Granted, NoGpu, capacity_of, student_limit
from classroom.gpus.inventory import Inventory
from classroom.gpus.leases import Lease
from classroom.gpus.queue import QueueEntry, QueueLimits
from classroom.gpus.snapshot import GpuSnapshot
from classroom.gpus.telemetry.sample import Card, Sample
from classroom.gpus.text import device_rows, queue_status, start_form_values
from classroom.settings.models import Gpu
from classroom.web import TEMPLATES
from support.gpus import inventory, lease, nvidia

NOON = datetime(2027, 1, 15, 12, 0)  # noqa: DTZ001 - as the tables hold it
BOUNDS = QueueLimits(timedelta(minutes=2), timedelta(hours=4))
TWO = inventory(nvidia(2))
EXCLUSIVE = Gpu(policy="exclusive")
PAGES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def entry(name: str, joined: float = -1, offered: float | None = None) -> QueueEntry:
    return QueueEntry(name, at(joined), None if offered is None else at(offered))


def review(before: Sequence[QueueEntry], free: int, when: datetime = NOON) -> tuple[QueueEntry, ...]:
    """Return the queue of a machine with this many free GPUs, and one in use."""
    machine = inventory(nvidia(free + 1))
    capacity = capacity_of(machine, [Lease("zoe", (machine.devices[free].name,), exclusive=True)])
    return queue.advance(before, lambda _name: EXCLUSIVE, capacity, when, BOUNDS)


def names(entries: tuple[QueueEntry, ...]) -> list[tuple[str, bool]]:
    return [(entry.name, entry.offered is not None) for entry in entries]


@pytest.mark.parametrize(
    ("before", "free", "after"),
    [
        ([entry("a"), entry("b")], 0, [("a", False), ("b", False)]),
        ([entry("a"), entry("b")], 1, [("a", True), ("b", False)]),
        ([entry("a"), entry("b")], 5, [("a", True), ("b", True)]),
        ([entry("a", -9, -1.9), entry("b")], 1, [("a", True), ("b", False)]),
        ([entry("a", -9, -2), entry("b")], 1, [("b", True)]),
        ([entry("a", -9, -2), entry("b")], 0, [("a", False), ("b", False)]),
        ([entry("a", -241), entry("b")], 0, [("b", False)]),
        ([entry("a", 600, 600), entry("b")], 1, [("a", True), ("b", False)]),
    ],
    ids=[
        "nothing free",
        "one free: the first entry",
        "more than entries",
        "offered for a while",
        "an expired offer",
        "a withdrawn offer",
        "an entry ends",
        "a clock set back",
    ],
)
def test_the_queue_advances_in_order(before: list[QueueEntry], free: int, after: list[tuple[str, bool]]) -> None:
    assert names(review(before, free)) == after


def test_a_clock_set_back_extends_no_offer() -> None:
    (kept,) = review([entry("a", 600, 600)], 1)
    assert (kept.joined, kept.offered) == (NOON, NOON)
    assert review([kept], 1, at(2)) == ()


@given(st.lists(st.tuples(st.integers(-300, 10), st.none() | st.integers(-5, 5)), max_size=30), st.integers(0, 40))
def test_nobody_overtakes_and_no_more_gpus_are_offered_than_exist(
    rows: list[tuple[int, int | None]], free: int
) -> None:
    before = [entry(str(number), joined, offered) for number, (joined, offered) in enumerate(rows)]
    after = review(before, free)
    order = [int(entry.name) for entry in after]
    assert order == sorted(order)
    assert [entry.offered is not None for entry in after] == [number < free for number in range(len(after))]
    assert review(after, free) == after


def start_form(snapshot: GpuSnapshot, student: str, reason: str) -> str:
    values = start_form_values(snapshot, student, reason)
    urls = {"queue_url": "/hub/gpu-line/ada", "start_url": "/hub/spawn/ada"}
    return PAGES.get_template("start_form.html").render(values | urls)


def snapshot_of(
    *holders: str, db: Session | None = None, gpu: Gpu = EXCLUSIVE, machine: Inventory = TWO
) -> GpuSnapshot:
    leases = tuple(Lease(name, (device.name,)) for name, device in zip(holders, machine.devices, strict=False))
    return GpuSnapshot(
        gpu, machine, leases, queue.update_queue(db, gpu, capacity_of(machine, leases), leases) if db else ()
    )


def test_a_device_row_has_model_memory_and_use() -> None:
    half = Card(index="0", uuid="GPU-x", name="<Card>", memory_used=2 * 10**9, memory_total=80 * 10**9, use=0.5)
    instance = half.model_copy(update={"index": "1", "use": None})
    snapshot = replace(snapshot_of("ada"), sample=Sample(taken=0, watched=1, cards=(half, instance)))
    assert device_rows(snapshot, "ben", now=60) == [
        {"name": "GPU 0, <Card>", "use": "in use for 1 min (1.9G of 74.5G in use, busy 50% of the time)"},
        {"name": "GPU 1, <Card>", "use": "free (1.9G of 74.5G in use)"},
    ]
    assert "GPU 0, &lt;Card&gt;" in start_form(snapshot, "ben", "All GPUs are in use.")


def test_joining_twice_keeps_the_position(db: Session) -> None:
    assert all(queue.join_queue(db, name) for name in ("ada", "ben", "ada"))
    assert [entry.name for entry in queue.read_queue(db)] == ["ada", "ben"]


def test_the_queue_has_a_maximum_length(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_ENTRIES", 2)
    assert [queue.join_queue(db, name) for name in ("ada", "ben", "cem", "ada")] == [True, True, False, True]


def test_leaving_the_queue_moves_the_others_up(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    assert queue.leave_queue(db, "ada") == pytest.approx(0, abs=5)
    assert queue.leave_queue(db, "nobody") is None
    assert queue.position_in(queue.read_queue(db), "ben") == 0


def test_a_free_gpu_goes_to_the_first_entry_only(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    snapshot = snapshot_of("zoe", db=db)
    assert isinstance(snapshot.allocate("ada"), Granted)
    assert isinstance(snapshot.allocate("ben"), Busy)
    assert isinstance(snapshot.allocate("someone new"), Busy)
    snapshot = snapshot_of(db=db)
    assert isinstance(snapshot.allocate("ben"), Granted)
    assert isinstance(snapshot.allocate("someone new"), Busy)


def test_an_expired_offer_goes_to_the_next_entry_for_good(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    snapshot_of("zoe", db=db)
    row = db.scalars(select(QueueRow).where(QueueRow.name == "ada")).one()
    assert row.offered is not None
    row.offered -= timedelta(seconds=EXCLUSIVE.offer)
    db.commit()
    snapshot = snapshot_of("zoe", db=db)
    assert isinstance(snapshot.allocate("ben"), Granted)
    assert snapshot.position("ada") is None
    assert [entry.name for entry in queue.read_queue(db)] == ["ben"]


def test_a_student_with_a_newer_lease_leaves_the_queue(db: Session) -> None:
    queue.join_queue(db, "ada")
    soon = int(datetime.now(UTC).timestamp()) + 5
    started = Lease("ada", ("nvidia.com/gpu=0",), since=soon)
    assert queue.update_queue(db, EXCLUSIVE, capacity_of(TWO, [started]), [started]) == ()
    queue.join_queue(db, "ada")
    leftover = Lease("ada", ("nvidia.com/gpu=0",), since=soon - 100)
    assert len(queue.update_queue(db, EXCLUSIVE, capacity_of(TWO, [leftover]), [leftover])) == 1


def test_without_gpus_nobody_waits(db: Session) -> None:
    queue.join_queue(db, "ada")
    snapshot = snapshot_of(db=db, machine=Inventory())
    assert isinstance(snapshot.allocate("ada"), NoGpu)
    assert queue_status(snapshot, "ada")["turn"] is True


def test_with_an_empty_queue_one_click_starts() -> None:
    assert isinstance(snapshot_of("zoe").allocate("ada"), Granted)


@pytest.mark.no_cover  # takes three times as long with it
@pytest.mark.parametrize("count", [200])
def test_two_hundred_entries_are_served_in_order(db: Session, count: int) -> None:
    for number in range(count):
        queue.join_queue(db, f"s{number}")
    gpu: dict[str, Any] = {"gpu": Gpu(policy="shared", students_per_device=1)}
    served = []
    while entries := queue.read_queue(db):
        now = snapshot_of(db=db, **gpu)
        turn = [entry.name for entry in entries if isinstance(now.allocate(entry.name), Granted)]
        assert len(turn) == min(2, len(entries))
        served += turn[:1]
        queue.leave_queue(db, turn[0])
    assert served == [f"s{number}" for number in range(count)]


# Not with the tracer of coverage, which would be measured too.
@pytest.mark.no_cover
def test_a_snapshot_of_two_hundred_entries_and_a_thousand_leases_takes_milliseconds(db: Session) -> None:
    for number in range(200):
        queue.join_queue(db, f"s{number}")
    gpu, machine = Gpu(policy="shared", students_per_device=16), inventory(nvidia(64, uuids=True))
    leases = tuple(
        Lease(f"{device.label}-{number}", (device.name,), (device.identity,), limit=16)
        for device in machine.devices
        for number in range(16)
    )
    times = []
    for _ in range(10):
        begin = time.thread_time()
        snapshot = GpuSnapshot(gpu, machine, leases, queue.update_queue(db, gpu, capacity_of(machine, leases), leases))
        assert queue_status(snapshot, "s199")["place"] == 200
        times.append(time.thread_time() - begin)
    assert min(times) < 0.06


def test_the_start_form_shows_durations_and_no_names(db: Session) -> None:
    queue.join_queue(db, "ben")
    page = start_form(snapshot_of("zoe", "kim", db=db), "ada", "All <GPUs> are in use.")
    assert "GPU 0" in page
    assert "in use for " in page
    assert "All &lt;GPUs&gt; are in use." in page
    assert "Students ahead of you: 1." in page
    assert 'name="gpu" value="no"' in page
    assert 'value="join"' in page
    assert not {"zoe", "kim", "ben"} & set(page.replace("<", " ").replace(">", " ").split())


def test_the_waiting_page_shows_the_position(db: Session) -> None:
    for name in ("ben", "ada"):
        queue.join_queue(db, name)
    snapshot = snapshot_of("zoe", "kim", db=db)
    page = start_form(snapshot, "ada", "")
    assert "You are #2 of 2 in the queue." in page
    assert 'value="leave"' in page
    assert queue_status(snapshot, "ada")["text"] == "You are #2 of 2 in the queue."
    assert queue_status(snapshot, "ada")["turn"] is False
    assert queue_status(snapshot, "cem") == {"waiting": False}


@pytest.mark.parametrize(("before", "offer", "again"), [(0, 120, 2), (9, 120, 11), (199, 120, 30), (199, 10, 5)])
def test_the_page_of_a_long_queue_asks_less_often_and_misses_no_offer(
    db: Session, before: int, offer: int, again: int
) -> None:
    for number in range(before):
        queue.join_queue(db, f"s{number}")
    queue.join_queue(db, "ada")
    snapshot = snapshot_of("zoe", "kim", db=db, gpu=Gpu(policy="exclusive", offer=offer))
    assert queue_status(snapshot, "ada")["again"] == again


PAIR, ONE = Gpu(policy="exclusive", per_student=2), EXCLUSIVE
LOW, HIGH = Gpu(policy="shared", students_per_device=2), Gpu(policy="shared", students_per_device=4)
LAST = Gpu(policy="exclusive", devices=("1",))


@pytest.mark.parametrize(
    ("held", "rules", "offered"),
    [
        ([lease("zoe", 0)], [PAIR, ONE], []),
        ([lease("zoe", 0)], [PAIR, LAST], []),
        ([lease("zoe", 1)], [LAST, ONE], [1]),
        ([lease("zoe", 1)], [LAST, PAIR, ONE], []),
        ([], [ONE, PAIR, LAST], [0]),
        ([lease("zoe", 0, gpu=LOW), lease("zoe", 1, gpu=LOW)], [ONE, LOW, LOW], [1]),
        ([lease("zoe", 0, gpu=HIGH)] * 2 + [lease("zoe", 1, gpu=HIGH)] * 2, [LOW, HIGH, HIGH, HIGH], [1, 2]),
        ([lease("zoe", 0)], [Gpu(policy="exclusive", per_student=3), ONE], [1]),
        ([lease("zoe", 0)], [Gpu(policy="all"), LOW, ONE], [0, 1]),
        ([], [Gpu(policy="none"), ONE], [0, 1]),
    ],
    ids=[
        "one is kept for who wants two",
        "also from who may have that one only",
        "a device that the first may not have goes to the next",
        "and not to who comes after one that keeps it",
        "who has been offered one leaves the rest to the next, who keeps it",
        "one becomes empty for who wants it alone, the other takes more",
        "one empties for who was promised few, the other fills up",
        "who wants more than there is holds up nobody",
        "who sees every device shares them, and leaves none empty",
        "who has none needs no turn",
    ],
)
def test_in_a_queue_of_several_groups_nobody_gets_a_device_that_an_earlier_entry_can_use(
    held: list[Lease], rules: list[Gpu], offered: list[int]
) -> None:
    before = [entry(str(number)) for number in range(len(rules))]
    after = queue.advance(before, lambda name: rules[int(name)], capacity_of(TWO, held), NOON, BOUNDS)
    assert [number for number, entry in enumerate(after) if entry.offered] == offered


def test_other_students_rules_decide_what_is_left(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    leases = (lease("zoe", 0),)
    others = {"ada": PAIR, "ben": LAST}
    snapshot = GpuSnapshot(
        ONE, TWO, leases, queue.update_queue(db, ONE, capacity_of(TWO, leases), leases, others.__getitem__), others
    )
    assert [isinstance(snapshot.allocate(name), Busy) for name in ("ada", "ben", "new")] == [True, True, True]
    assert "offered to students in the queue" in snapshot.allocate("new").reason  # type: ignore[union-attr]
    snapshot = GpuSnapshot(ONE, inventory(nvidia(3)), leases, snapshot.queue, others)
    assert isinstance(snapshot.allocate("ada"), Granted)


GROUPS = [
    ONE,
    PAIR,
    LOW,
    HIGH,
    LAST,
    Gpu(policy="all"),
    Gpu(policy="devices", devices=("0", "2")),
    Gpu(policy="shared", students_per_device=1, devices=("2",)),
]


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_no_entry_starves_whatever_newcomers_get(data: st.DataObject) -> None:
    """Every second newcomers start if the allocation allows it; each stays a while."""
    machine = inventory(nvidia(data.draw(st.integers(3, 4))))
    stay = data.draw(st.integers(1, 6))
    crowd = data.draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=4))
    waits = [data.draw(st.sampled_from(GROUPS)) for _ in range(data.draw(st.integers(1, 3)))]
    rules = {str(number): gpu for number, gpu in enumerate(waits)}
    waiters = [entry(name) for name in rules]
    running: dict[str, tuple[int, Lease]] = {}

    def start(name: str, gpu: Gpu, second: int) -> bool:
        gpus = GpuSnapshot(gpu, machine, tuple(held for _, held in running.values()), tuple(waiters), rules)
        if not isinstance(granted := gpus.allocate(name), Granted):
            return False
        exclusive = gpu.policy == "exclusive"
        running[name] = second, Lease(name, granted.names, granted.identities, exclusive, limit=student_limit(gpu))
        return True

    for number in range(40):
        start(f"before {number}", crowd[number % len(crowd)], number % stay)
    waiters[:] = [entry(name) for name in rules]
    for second in range(stay, 60 * stay):
        running = {name: held for name, held in running.items() if second - held[0] < stay}
        for gpu in crowd:
            start(f"new {second} {gpu}", gpu, second)
        waiters = [entry for entry in waiters if not start(entry.name, rules[entry.name], second)]
        if not waiters:
            return
    pytest.fail(f"{[rules[entry.name] for entry in waiters]} waited while {crowd} came and went")
