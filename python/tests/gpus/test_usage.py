from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.db.models import utc_now
from classroom.gpus import queue, usage
from classroom.gpus.allocation import capacity_of
from classroom.gpus.leases import Lease
from classroom.gpus.snapshot import GpuSnapshot
from classroom.gpus.text import queue_notes, queue_status
from classroom.settings.models import Gpu
from support.gpus import inventory, lease, nvidia

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TODAY = date(2027, 1, 15)
TWO = inventory(nvidia(2))
FAIR = Gpu(policy="exclusive", prefer_least_used=True)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def test_use_is_the_monotonic_time_between_two_counts() -> None:
    counter = usage.UsageCounter()
    assert counter.count(TWO, [lease("ada", 0)], 100) == {}
    assert counter.count(TWO, [lease("ada", 0), lease("ben", 1)], 115) == {"ada": 15}
    assert counter.count(TWO, [lease("ben", 1)], 130) == {"ben": 15}
    assert counter.count(TWO, [lease("ben", 1, since=9)], 145) == {}, "another container, with a gap between the two"
    assert counter.count(TWO, [lease("cem", 0, 1)], 160) == {}
    assert counter.count(TWO, [lease("cem", 0, 1)], 175) == {"cem": 30}, "two at once count twice"
    assert counter.count(TWO, [lease("cem", 7)], 190) == {"cem": 0}, "a removed device counts nothing"


@pytest.mark.parametrize(
    ("rows", "today", "seconds"),
    [
        ([(TODAY, 10), (TODAY, 5)], TODAY, 15),
        ([(ago(6), 10), (ago(7), 500)], TODAY, 10),
        ([(TODAY, 10)], ago(400), 0),
        ([(TODAY + timedelta(days=400), 500), (TODAY, 10)], TODAY, 10),
    ],
    ids=["one day", "seven days", "a clock set back", "written down while the clock was ahead"],
)
def test_the_last_seven_days_count(db: Session, rows: list[tuple[date, float]], today: date, seconds: float) -> None:
    for day, used in rows:
        usage.record_use(db, {"ada": used}, day)
    assert usage.recent_use(db, today).get("ada", 0) == seconds
    assert usage.recent_use(db, TODAY) != {}, "nothing is lost"


def test_the_oldest_rows_are_deleted_whatever_the_clock_says(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_MAX_ROWS", 2)
    for days in (3, 2, 1, 0):
        usage.record_use(db, {"ada": 1}, ago(days))
    assert usage.recent_use(db, TODAY) == {"ada": 2}


def snapshot_of(db: Session, *leases: Lease) -> GpuSnapshot:
    used = usage.recent_use(db)
    waiting = queue.update_queue(db, FAIR, capacity_of(TWO, leases), leases, used=used)
    return GpuSnapshot(FAIR, TWO, leases, waiting, used=used)


def test_the_least_gpu_time_goes_first_and_offers_stay(db: Session) -> None:
    usage.record_use(db, {"ada": 7300, "ben": 1, "cem": 3500})
    for name in ("ada", "ben", "cem"):
        queue.join_queue(db, name)
    full = lease("zoe", 0, 1)
    assert [entry.name for entry in snapshot_of(db, full).queue] == ["ben", "cem", "ada"], (
        "minutes do not change the order"
    )
    one = snapshot_of(db, lease("zoe", 0))
    assert [(entry.name, entry.offered is not None) for entry in one.queue] == [
        ("ben", True),
        ("cem", False),
        ("ada", False),
    ]
    queue.leave_queue(db, "ben")
    assert [entry.offered is not None for entry in snapshot_of(db, lease("zoe", 0)).queue] == [True, False]
    queue.join_queue(db, "dan")
    usage.record_use(db, {"cem": 3600})
    snapshot = snapshot_of(db, lease("zoe", 0))
    assert [entry.name for entry in snapshot.queue] == ["cem", "dan", "ada"]
    assert queue_status(snapshot, "ada")["text"] == "You are #3 of 3 in the queue."
    assert "go first. Yours: 2 h 1 min." in queue_notes(snapshot, "ada")[0]


def test_without_the_setting_the_order_of_arrival_decides(db: Session) -> None:
    usage.record_use(db, {"ada": 7200})
    for name in ("ada", "ben"):
        queue.join_queue(db, name)
    snapshot = queue.update_queue(db, Gpu(policy="exclusive"), capacity_of(TWO, [lease("zoe", 0, 1)]), [])
    assert [entry.name for entry in snapshot] == ["ada", "ben"]


@given(st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 30_000)), max_size=20))
def test_nobody_is_behind_an_entry_with_more_hours_and_equals_stay_in_order(
    rows: list[tuple[bool, int | None]],
) -> None:
    used = {str(number): float(seconds) for number, (_, seconds) in enumerate(rows) if seconds is not None}
    moment = utc_now()
    before = [queue.QueueEntry(str(n), moment, moment if offered else None) for n, (offered, _) in enumerate(rows)]
    after = queue.ordered_by_use(before, used)
    keys = [(entry.offered is None, usage.hours_used(used.get(entry.name, 0)), int(entry.name)) for entry in after]
    assert keys == sorted(keys)
    assert set(after) == set(before)
