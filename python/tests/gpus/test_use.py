from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import inventory, nvidia

from classroom.gpus import line, use
from classroom.gpus.leases import Lease
from classroom.gpus.offer import View
from classroom.gpus.placement import room_of
from classroom.gpus.words import notes, standing
from classroom.settings import Gpu

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TODAY = date(2027, 1, 15)
TWO = inventory(nvidia(2))
FAIR = Gpu(policy="exclusive", prefer_least_used=True)


def lease(name: str, *numbers: int, since: int = 1) -> Lease:
    return Lease(name, tuple(f"nvidia.com/gpu={number}" for number in numbers), since=since, container=f"c-{name}")


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def test_use_is_what_passes_between_two_looks_by_the_clock_that_never_jumps() -> None:
    meter = use.Meter()
    assert meter.count(TWO, [lease("ada", 0)], 100) == {}
    assert meter.count(TWO, [lease("ada", 0), lease("ben", 1)], 115) == {"ada": 15}
    assert meter.count(TWO, [lease("ben", 1)], 130) == {"ben": 15}
    assert meter.count(TWO, [lease("ben", 1, since=9)], 145) == {}, "another container: between the two there was none"
    assert meter.count(TWO, [lease("cem", 0, 1)], 160) == {}
    assert meter.count(TWO, [lease("cem", 0, 1)], 175) == {"cem": 30}, "two at once count twice"
    assert meter.count(TWO, [lease("cem", 7)], 190) == {"cem": 0}, "a device that has vanished is of no use"


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
        use.add(db, {"ada": used}, day)
    assert use.lately(db, today).get("ada", 0) == seconds
    assert use.lately(db, TODAY) != {}, "and nothing is lost by it"


def test_the_oldest_rows_go_and_no_clock_has_a_say_in_it(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use, "_MOST_ROWS", 2)
    for days in (3, 2, 1, 0):
        use.add(db, {"ada": 1}, ago(days))
    assert use.lately(db, TODAY) == {"ada": 2}


def view(db: Session, *leases: Lease) -> View:
    used = use.lately(db)
    waiting = line.refresh(db, FAIR, room_of(TWO, leases), leases, used=used)
    return View(FAIR, TWO, leases, waiting, used=used)


def test_who_has_used_least_is_first_and_an_offer_stays_with_whom_it_was_made_to(db: Session) -> None:
    use.add(db, {"ada": 7300, "ben": 1, "cem": 3500})
    for name in ("ada", "ben", "cem"):
        line.join(db, name)
    full = lease("zoe", 0, 1)
    assert [each.name for each in view(db, full).line] == ["ben", "cem", "ada"], "minutes are no reason to be overtaken"
    one = view(db, lease("zoe", 0))
    assert [(each.name, each.offered is not None) for each in one.line] == [
        ("ben", True),
        ("cem", False),
        ("ada", False),
    ]
    line.leave(db, "ben")
    assert [each.offered is not None for each in view(db, lease("zoe", 0)).line] == [True, False]
    line.join(db, "dan")
    use.add(db, {"cem": 3600})
    found = view(db, lease("zoe", 0))
    assert [each.name for each in found.line] == ["cem", "dan", "ada"]
    assert standing(found, "ada")["text"] == "You are number 3 of 3 in line."
    assert "comes first, in whole hours. You have: 2 h 1 min." in notes(found, "ada")[0]


def test_without_the_setting_who_came_first_is_first(db: Session) -> None:
    use.add(db, {"ada": 7200})
    for name in ("ada", "ben"):
        line.join(db, name)
    found = line.refresh(db, Gpu(policy="exclusive"), room_of(TWO, [lease("zoe", 0, 1)]), [])
    assert [each.name for each in found] == ["ada", "ben"]


@given(st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 30_000)), max_size=20))
def test_nobody_stands_behind_one_who_has_used_more_and_equals_stay_in_order(
    rows: list[tuple[bool, int | None]],
) -> None:
    used = {str(number): float(seconds) for number, (_, seconds) in enumerate(rows) if seconds is not None}
    moment = line.now()
    before = [line.Waiting(str(n), moment, moment if offered else None) for n, (offered, _) in enumerate(rows)]
    after = line.ordered(before, used)
    keys = [(each.offered is None, use.rank(used.get(each.name, 0)), int(each.name)) for each in after]
    assert keys == sorted(keys)
    assert set(after) == set(before)
