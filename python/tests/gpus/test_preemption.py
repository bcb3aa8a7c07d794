from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom.gpus.allocation import Claim, capacity_of
from classroom.gpus.leases import Lease, LeaseKey
from classroom.gpus.preemption import (
    Demand,
    LeaseAges,
    PendingNotices,
    leases_to_clear,
    leases_to_preempt,
)
from classroom.gpus.queue import QueueEntry
from classroom.notices import Notice, NoticeBoard
from classroom.settings.models import Gpu
from support.gpus import inventory, lease, nvidia

NOON = datetime(2027, 1, 15, 12, 0)  # noqa: DTZ001 - as the tables hold it
TWO = inventory(nvidia(2))
ALONE, PAIR = Gpu(policy="exclusive"), Gpu(policy="exclusive", per_student=2)
SHARED, SECOND = Gpu(policy="shared"), Gpu(policy="exclusive", devices=("1",))


def demand(*rules: Gpu) -> Demand:
    waiting = [QueueEntry(str(number), NOON) for number in range(len(rules))]
    return Demand(waiting, lambda name: rules[int(name)], lambda leases: capacity_of(TWO, leases))


def preempted(held: list[Lease], overdue: int, *rules: Gpu, claims: tuple[Claim, ...] = ()) -> list[str]:
    """Return the students whose leases end, where the first `overdue` leases have lasted long enough."""
    return [lease.holder for lease in leases_to_preempt(held[:overdue], held, demand(*rules), TWO, claims)]


FULL = [lease("ada", 0), lease("ben", 1)]
CROWD = [lease(f"{name}{number}", number, gpu=SHARED) for number in range(2) for name in ("a", "b")]


@pytest.mark.parametrize(
    ("held", "overdue", "waiting", "goes"),
    [
        (FULL, 2, [], []),
        (FULL, 0, [ALONE], []),
        (FULL, 2, [ALONE], ["ada"]),
        (FULL, 2, [ALONE, ALONE], ["ada", "ben"]),
        (FULL, 2, [ALONE] * 5, ["ada", "ben"]),
        (FULL, 2, [PAIR], ["ada", "ben"]),
        (FULL, 1, [PAIR], []),
        (FULL, 2, [SECOND], ["ben"]),
        (FULL, 1, [SECOND], []),
        (FULL[:1], 1, [ALONE], []),
        (FULL[:1], 1, [ALONE, ALONE], ["ada"]),
        (CROWD, 4, [SHARED], ["a0"]),
        (CROWD, 4, [ALONE], ["a0", "b0"]),
    ],
    ids=[
        "nobody waits",
        "no lease is old",
        "one for one",
        "two for two",
        "no more than there are",
        "both for a student who needs two",
        "not one alone: it would help nobody",
        "the one that is wanted",
        "not one that no waiting student may use",
        "another is free",
        "and one more is needed",
        "one of the leases that share a GPU",
        "all leases of a GPU for a student who needs it alone",
    ],
)
def test_no_more_leases_end_than_help(held: list[Lease], overdue: int, waiting: list[Gpu], goes: list[str]) -> None:
    assert preempted(held, overdue, *waiting) == goes


def test_a_current_lecture_needs_its_reserved_gpus() -> None:
    first = TWO.devices[0].identity
    assert preempted(FULL, 2, claims=(Claim(frozenset({"cem"}), frozenset({first})),)) == ["ada"]
    assert preempted(FULL, 2, claims=(Claim(frozenset({"ada"}), frozenset({first})),)) == []
    assert preempted(FULL, 0, claims=(Claim(frozenset(), frozenset({first})),)) == []


def test_a_clearing_reservation_ends_leases_of_any_age() -> None:
    first = frozenset({TWO.devices[0].identity})
    for members, clear, goes in [({"cem"}, True, ["ada"]), ({"cem"}, False, []), ({"ada"}, True, [])]:
        found = leases_to_clear(FULL, TWO, [Claim(frozenset(members), first, clear=clear)])
        assert [lease.holder for lease in found] == goes


def test_no_lease_ends_for_a_gpu_that_would_stay_closed_for_a_pair() -> None:
    held = [lease("ada", 2, gpu=SHARED)]
    three = inventory(nvidia(3))
    rules = {"0": ALONE, "1": ALONE, "2": PAIR, "3": SHARED}
    waiting = [QueueEntry(name, NOON) for name in rules]
    found = Demand(waiting, lambda name: rules[name], lambda leases: capacity_of(three, leases))
    assert (found.served(held), found.served([])) == (3, 2), "the last shares with ada, and would not if she went"
    assert leases_to_preempt(held, held, found, three, ()) == ()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_each_ended_lease_serves_another_student(data: st.DataObject) -> None:
    machine = inventory(nvidia(data.draw(st.integers(1, 4))))
    kinds = st.sampled_from([ALONE, PAIR, SHARED])
    gpu = data.draw(kinds)
    devices = data.draw(st.lists(st.integers(0, len(machine.devices) - 1), max_size=4, unique=True))
    held = [lease(f"h{number}", number, gpu=gpu) for number in devices]
    overdue = data.draw(st.permutations(held))[: data.draw(st.integers(0, 4))]
    rules = data.draw(st.lists(kinds, max_size=5))
    waiting = [QueueEntry(str(number), NOON) for number in range(len(rules))]
    found = Demand(waiting, lambda name: rules[int(name)], lambda leases: capacity_of(machine, leases))
    goes = leases_to_preempt(overdue, held, found, machine, ())
    assert set(goes) <= set(overdue)

    def served(without: list[Lease]) -> int:
        return found.served([lease for lease in held if lease not in without])

    assert served(list(goes)) >= served(list(overdue)), "every student who can be served is served"
    for ended in goes:
        assert served([other for other in goes if other != ended]) < served(list(goes)), "the lease was necessary"


def test_a_clock_jump_makes_no_lease_too_old() -> None:
    ages, one = LeaseAges(), Lease("ada", (), since=1_000, container="c")
    assert ages.update([one], 50, 1_100)[one.key] == 100
    assert ages.update([one], 65, 999_999_999)[one.key] == 115
    assert ages.update([one], 80, 0)[one.key] == 130
    assert ages.update([], 95, 1_145) == {}
    ahead = Lease("ada", (), since=9_999, container="c")
    assert ages.update([ahead], 110, 1_160) == {LeaseKey("c", 9_999): 0}, "created before the clock was set back"


def test_no_lease_ends_before_its_notice() -> None:
    notices = PendingNotices()
    ada, ben = FULL
    step = notices.update({ada: 600}, 0)
    assert (step.notify, step.withdraw, step.stop) == ((ada,), (), ())
    assert notices.update({ada: 600}, 599).stop == ()
    assert notices.update({ada: 600, ben: 60}, 600).stop == (ada,)
    assert notices.update({ada: 600, ben: 60}, 615).notify == ()
    assert notices.update({ben: 60}, 659).stop == ()
    assert notices.update({ben: 60}, 660).stop == (ben,), "each lease has the notice of its own rules"


def test_a_notice_is_withdrawn_when_nobody_waits_and_starts_again_in_full() -> None:
    notices = PendingNotices()
    (ada, _) = FULL
    notices.update({ada: 600}, 0)
    assert notices.update({}, 300).withdraw == (ada,)
    assert notices.update({ada: 600}, 310).notify == (ada,)
    assert notices.update({ada: 600}, 900).stop == ()
    assert notices.update({ada: 600}, 910).stop == (ada,)


def test_leases_with_a_notice_end_before_older_ones() -> None:
    notices = PendingNotices()
    ada, ben = FULL
    ages = {ada.key: 100.0, ben.key: 200.0}
    assert sorted(FULL, key=notices.order(ages)) == [ben, ada]
    notices.update({ada: 600}, 0)
    assert sorted(FULL, key=notices.order(ages)) == [ada, ben]


def test_the_board_has_the_notice_until_it_is_withdrawn() -> None:
    board = NoticeBoard()
    board.give("ada", Notice("Others wait.", 100))
    found = board.notice_for("ada")
    assert found is not None
    assert (found.seconds(40), found.seconds(200)) == (60, 0)
    board.withdraw("ada")
    assert board.notice_for("ada") is None


def test_only_students_with_an_open_page_count_as_waiting() -> None:
    board = NoticeBoard()
    board.record_visit("ada")
    assert board.visited_within("ada", 60)
    assert not board.visited_within("ada", -1)
    assert not board.visited_within("ben", 60)
