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


def waiting(name: str, joined: float = -1, offered: float | None = None) -> QueueEntry:
    return QueueEntry(name, at(joined), None if offered is None else at(offered))


def review(before: Sequence[QueueEntry], free: int, when: datetime = NOON) -> tuple[QueueEntry, ...]:
    """The line before a machine with so many free GPUs, and one that is not."""
    machine = inventory(nvidia(free + 1))
    room = capacity_of(machine, [Lease("zoe", (machine.devices[free].name,), exclusive=True)])
    return queue.advance(before, lambda _name: EXCLUSIVE, room, when, BOUNDS)


def names(found: tuple[QueueEntry, ...]) -> list[tuple[str, bool]]:
    return [(each.name, each.offered is not None) for each in found]


@pytest.mark.parametrize(
    ("before", "free", "after"),
    [
        ([waiting("a"), waiting("b")], 0, [("a", False), ("b", False)]),
        ([waiting("a"), waiting("b")], 1, [("a", True), ("b", False)]),
        ([waiting("a"), waiting("b")], 5, [("a", True), ("b", True)]),
        ([waiting("a", -9, -1.9), waiting("b")], 1, [("a", True), ("b", False)]),
        ([waiting("a", -9, -2), waiting("b")], 1, [("b", True)]),
        ([waiting("a", -9, -2), waiting("b")], 0, [("a", False), ("b", False)]),
        ([waiting("a", -241), waiting("b")], 0, [("b", False)]),
        ([waiting("a", 600, 600), waiting("b")], 1, [("a", True), ("b", False)]),
    ],
    ids=[
        "nothing free",
        "one free is the first's",
        "more than who wait",
        "kept a while",
        "not taken, it passes on",
        "taken back before they came: no harm",
        "nobody waits for ever",
        "a clock set back",
    ],
)
def test_the_line_is_in_order(before: list[QueueEntry], free: int, after: list[tuple[str, bool]]) -> None:
    assert names(review(before, free)) == after


def test_a_clock_that_was_set_back_lengthens_no_offer() -> None:
    (kept,) = review([waiting("a", 600, 600)], 1)
    assert (kept.joined, kept.offered) == (NOON, NOON)
    assert review([kept], 1, at(2)) == ()


@given(st.lists(st.tuples(st.integers(-300, 10), st.none() | st.integers(-5, 5)), max_size=30), st.integers(0, 40))
def test_nobody_overtakes_and_no_more_are_offered_than_there_are(rows: list[tuple[int, int | None]], free: int) -> None:
    before = [waiting(str(number), joined, offered) for number, (joined, offered) in enumerate(rows)]
    after = review(before, free)
    order = [int(each.name) for each in after]
    assert order == sorted(order)
    assert [each.offered is not None for each in after] == [number < free for number in range(len(after))]
    assert review(after, free) == after


def start_form(snapshot: GpuSnapshot, student: str, reason: str) -> str:
    values = start_form_values(snapshot, student, reason)
    urls = {"queue_url": "/hub/gpu-line/ada", "start_url": "/hub/spawn/ada"}
    return PAGES.get_template("start_form.html").render(values | urls)


def view(*holders: str, db: Session | None = None, gpu: Gpu = EXCLUSIVE, machine: Inventory = TWO) -> GpuSnapshot:
    leases = tuple(Lease(name, (device.name,)) for name, device in zip(holders, machine.devices, strict=False))
    return GpuSnapshot(
        gpu, machine, leases, queue.update_queue(db, gpu, capacity_of(machine, leases), leases) if db else ()
    )


def test_what_is_known_of_a_gpu_stands_beside_it() -> None:
    half = Card(index="0", uuid="GPU-x", name="<Card>", memory_used=2 * 10**9, memory_total=80 * 10**9, use=0.5)
    instance = half.model_copy(update={"index": "1", "use": None})
    found = replace(view("ada"), sample=Sample(taken=0, watched=1, cards=(half, instance)))
    assert device_rows(found, "ben", now=60) == [
        {"name": "GPU 0, <Card>", "use": "in use for 1 min (1.9G of 74.5G in use, busy 50% of the time)"},
        {"name": "GPU 1, <Card>", "use": "free (1.9G of 74.5G in use)"},
    ]
    assert "GPU 0, &lt;Card&gt;" in start_form(found, "ben", "All GPUs are in use.")


def test_joining_twice_keeps_the_place(db: Session) -> None:
    assert all(queue.join_queue(db, name) for name in ("ada", "ben", "ada"))
    assert [each.name for each in queue.read_queue(db)] == ["ada", "ben"]


def test_a_line_has_an_end(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_ENTRIES", 2)
    assert [queue.join_queue(db, name) for name in ("ada", "ben", "cem", "ada")] == [True, True, False, True]


def test_who_leaves_moves_the_others_up(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    assert queue.leave_queue(db, "ada") == pytest.approx(0, abs=5)
    assert queue.leave_queue(db, "nobody") is None
    assert queue.position_in(queue.read_queue(db), "ben") == 0


def test_a_free_gpu_is_the_first_ones_and_nobody_elses(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    found = view("zoe", db=db)
    assert isinstance(found.allocate("ada"), Granted)
    assert isinstance(found.allocate("ben"), Busy)
    assert isinstance(found.allocate("someone new"), Busy)
    found = view(db=db)
    assert isinstance(found.allocate("ben"), Granted)
    assert isinstance(found.allocate("someone new"), Busy)


def test_an_offer_that_is_not_taken_passes_on_and_this_is_remembered(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    view("zoe", db=db)
    row = db.scalars(select(QueueRow).where(QueueRow.name == "ada")).one()
    assert row.offered is not None
    row.offered -= timedelta(seconds=EXCLUSIVE.offer)
    db.commit()
    found = view("zoe", db=db)
    assert isinstance(found.allocate("ben"), Granted)
    assert found.position("ada") is None
    assert [each.name for each in queue.read_queue(db)] == ["ben"]


def test_who_has_a_gpu_by_now_waits_no_more(db: Session) -> None:
    queue.join_queue(db, "ada")
    soon = int(datetime.now(UTC).timestamp()) + 5
    started = Lease("ada", ("nvidia.com/gpu=0",), since=soon)
    assert queue.update_queue(db, EXCLUSIVE, capacity_of(TWO, [started]), [started]) == ()
    queue.join_queue(db, "ada")
    leftover = Lease("ada", ("nvidia.com/gpu=0",), since=soon - 100)
    assert len(queue.update_queue(db, EXCLUSIVE, capacity_of(TWO, [leftover]), [leftover])) == 1


def test_when_the_gpus_vanish_nobody_waits_on(db: Session) -> None:
    queue.join_queue(db, "ada")
    found = view(db=db, machine=Inventory())
    assert isinstance(found.allocate("ada"), NoGpu)
    assert queue_status(found, "ada")["turn"] is True


def test_with_an_empty_line_one_click_starts() -> None:
    assert isinstance(view("zoe").allocate("ada"), Granted)


@pytest.mark.parametrize("count", [200])
def test_two_hundred_who_wait_are_served_in_order(db: Session, count: int) -> None:
    for number in range(count):
        queue.join_queue(db, f"s{number}")
    gpu: dict[str, Any] = {"gpu": Gpu(policy="shared", students_per_device=1)}
    served = []
    while found := queue.read_queue(db):
        now = view(db=db, **gpu)
        turn = [each.name for each in found if isinstance(now.allocate(each.name), Granted)]
        assert len(turn) == min(2, len(found))
        served += turn[:1]
        queue.leave_queue(db, turn[0])
    assert served == [f"s{number}" for number in range(count)]


def test_a_look_with_two_hundred_in_line_and_a_thousand_leases_takes_milliseconds(db: Session) -> None:
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
        found = GpuSnapshot(gpu, machine, leases, queue.update_queue(db, gpu, capacity_of(machine, leases), leases))
        assert queue_status(found, "s199")["place"] == 200
        times.append(time.thread_time() - begin)
    assert min(times) < 0.06


def test_the_page_says_how_long_and_not_who(db: Session) -> None:
    queue.join_queue(db, "ben")
    page = start_form(view("zoe", "kim", db=db), "ada", "All <GPUs> are in use.")
    assert "GPU 0" in page
    assert "in use for " in page
    assert "All &lt;GPUs&gt; are in use." in page
    assert "Students ahead of you: 1." in page
    assert 'name="gpu" value="no"' in page
    assert 'value="join"' in page
    assert not {"zoe", "kim", "ben"} & set(page.replace("<", " ").replace(">", " ").split())


def test_the_page_of_who_waits_says_the_place(db: Session) -> None:
    for name in ("ben", "ada"):
        queue.join_queue(db, name)
    found = view("zoe", "kim", db=db)
    page = start_form(found, "ada", "")
    assert "You are #2 of 2 in the queue." in page
    assert 'value="leave"' in page
    assert queue_status(found, "ada")["text"] == "You are #2 of 2 in the queue."
    assert queue_status(found, "ada")["turn"] is False
    assert queue_status(found, "cem") == {"waiting": False}


@pytest.mark.parametrize(("before", "offer", "again"), [(0, 120, 2), (9, 120, 11), (199, 120, 30), (199, 10, 5)])
def test_the_page_asks_the_less_often_the_longer_the_line_and_misses_no_offer(
    db: Session, before: int, offer: int, again: int
) -> None:
    for number in range(before):
        queue.join_queue(db, f"s{number}")
    queue.join_queue(db, "ada")
    found = view("zoe", "kim", db=db, gpu=Gpu(policy="exclusive", offer=offer))
    assert queue_status(found, "ada")["again"] == again


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
def test_in_a_line_of_several_groups_nobody_overtakes_to_a_device_that_is_of_use_before(
    held: list[Lease], rules: list[Gpu], offered: list[int]
) -> None:
    before = [waiting(str(number)) for number in range(len(rules))]
    after = queue.advance(before, lambda name: rules[int(name)], capacity_of(TWO, held), NOON, BOUNDS)
    assert [number for number, each in enumerate(after) if each.offered] == offered


def test_a_student_reads_of_the_line_what_the_others_rules_make_of_it(db: Session) -> None:
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    leases = (lease("zoe", 0),)
    others = {"ada": PAIR, "ben": LAST}
    found = GpuSnapshot(
        ONE, TWO, leases, queue.update_queue(db, ONE, capacity_of(TWO, leases), leases, others.__getitem__), others
    )
    assert [isinstance(found.allocate(name), Busy) for name in ("ada", "ben", "new")] == [True, True, True]
    assert "offered to students in the queue" in found.allocate("new").reason  # type: ignore[union-attr]
    found = GpuSnapshot(ONE, inventory(nvidia(3)), leases, found.queue, others)
    assert isinstance(found.allocate("ada"), Granted)


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
def test_whoever_comes_next_and_whatever_they_may_have_nobody_waits_for_ever(data: st.DataObject) -> None:
    """Every second somebody new presses start and is let in if the answer says so; each stays a while."""
    machine = inventory(nvidia(data.draw(st.integers(3, 4))))
    stay = data.draw(st.integers(1, 6))
    crowd = data.draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=4))
    waits = [data.draw(st.sampled_from(GROUPS)) for _ in range(data.draw(st.integers(1, 3)))]
    rules = {str(number): gpu for number, gpu in enumerate(waits)}
    waiters = [waiting(name) for name in rules]
    running: dict[str, tuple[int, Lease]] = {}

    def start(name: str, gpu: Gpu, second: int) -> bool:
        view = GpuSnapshot(gpu, machine, tuple(each for _, each in running.values()), tuple(waiters), rules)
        if not isinstance(found := view.allocate(name), Granted):
            return False
        exclusive = gpu.policy == "exclusive"
        running[name] = second, Lease(name, found.names, found.identities, exclusive, limit=student_limit(gpu))
        return True

    for number in range(40):
        start(f"before {number}", crowd[number % len(crowd)], number % stay)
    waiters[:] = [waiting(name) for name in rules]
    for second in range(stay, 60 * stay):
        running = {name: each for name, each in running.items() if second - each[0] < stay}
        for gpu in crowd:
            start(f"new {second} {gpu}", gpu, second)
        waiters = [each for each in waiters if not start(each.name, rules[each.name], second)]
        if not waiters:
            return
    pytest.fail(f"{[rules[each.name] for each in waiters]} waited while {crowd} came and went")
