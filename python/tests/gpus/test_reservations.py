from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyterhub import orm

from classroom.db.models import utc_now
from classroom.gpus.allocation import Busy, Claim, Granted, allocate, leased_identities, student_limit
from classroom.gpus.leases import Lease
from classroom.gpus.reservations import store
from classroom.gpus.reservations.policy import (
    Reservation,
    ReservationError,
    check_reservation,
    claims_of,
    device_pools,
    match_devices,
)
from classroom.gpus.snapshot import GpuSnapshot
from classroom.gpus.text import describe_reservation, device_rows, local_time, queue_notes
from classroom.settings.models import Gpu, Settings
from support.gpus import inventory, lease, nvidia

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from classroom.gpus.inventory import Device

NOON = datetime(2027, 1, 15, 12, 0)  # noqa: DTZ001 - as the tables hold it
HOUR = timedelta(hours=1)
FOUR = inventory(nvidia(4))
AGES = [("zoe", 500), ("kim", 100), ("ben", 900), ("cem", 300)]
ALONE, PAIR, SHARED = Gpu(policy="exclusive"), Gpu(policy="exclusive", per_student=2), Gpu(policy="shared")


def reservation_of(count: int, begins: float = 0, ends: float = 1, *members: str, number: int = 0) -> Reservation:
    return Reservation(count, NOON + begins * HOUR, NOON + ends * HOUR, "lab", frozenset(members), number)


def everything(_group: str) -> Sequence[Device]:
    return FOUR.devices


def labels(found: tuple[Claim, ...]) -> list[list[str]]:
    return [[device.label for device in FOUR.devices if device.identity in claim.identities] for claim in found]


@pytest.mark.parametrize(
    ("leases", "reservations", "devices"),
    [
        ([], [reservation_of(2)], [["0", "1"]]),
        ([lease("zoe", 0)], [reservation_of(2)], [["1", "2"]]),
        ([lease("ada", 3)], [reservation_of(2, 0, 1, "ada")], [["0", "3"]]),
        ([lease("zoe", 0), lease("kim", 1), lease("ben", 2)], [reservation_of(2)], [["0", "3"]]),
        ([lease("zoe", 0)], [reservation_of(2), reservation_of(2)], [["1", "2"], ["0", "3"]]),
        ([lease("zoe", 0, 1, 2, 3)], [reservation_of(4)], [["0", "1", "2", "3"]]),
        ([lease("ada", 0, gpu=SHARED), lease("zoe", 0, gpu=SHARED)], [reservation_of(1, 0, 1, "ada")], [["1"]]),
        ([], [reservation_of(9)], [["0", "1", "2", "3"]]),
    ],
    ids=[
        "free ones",
        "not those in use",
        "one that a member has counts",
        "in use, it is kept for when it is free",
        "two lectures at once",
        "all",
        "one that others use too does not",
        "a device has vanished since",
    ],
)
def test_a_reservation_claims(leases: list[Lease], reservations: list[Reservation], devices: list[list[str]]) -> None:
    assert labels(claims_of(everything, FOUR, leases, reservations)) == devices


def test_reserved_devices_go_to_members_only_and_first() -> None:
    claimed = claims_of(everything, FOUR, [lease("zoe", 0)], [reservation_of(1, 0, 1, "ada")])
    leases = [lease("zoe", 0)]
    assert allocate(ALONE, FOUR, leases, "ada", claimed) == allocate(ALONE, FOUR, leases)
    answer = allocate(ALONE, FOUR, leases, "ben", claimed)
    assert isinstance(answer, Granted)
    assert answer.names == ("nvidia.com/gpu=2",)
    low = claims_of(lambda _: FOUR.devices[2:], FOUR, [], [reservation_of(1, 0, 1, "ada")])
    answer = allocate(ALONE, FOUR, [], "ada", low)
    assert isinstance(answer, Granted)
    assert answer.names == ("nvidia.com/gpu=2",), "others keep GPUs without a reservation"


def test_the_oldest_leases_of_others_are_claimed_first() -> None:
    leases = [replace(lease(name, number), since=since) for number, (name, since) in enumerate(AGES)]
    assert labels(claims_of(everything, FOUR, leases, [reservation_of(2)])) == [["1", "3"]]


def test_a_reservation_holds_from_its_lead_time() -> None:
    found = reservation_of(1, 1, 2)
    assert [found.holds(NOON + hours * HOUR, HOUR / 2) for hours in (0.4, 0.5, 1, 1.9, 2)] == [
        False,
        True,
        True,
        True,
        False,
    ]


CLASS: dict[str, Any] = {
    "gpu": {"policy": "exclusive", "devices": ["0", "1"]},
    "groups": {
        "lab": {"gpu": {"devices": ["1", "2"]}},
        "all": {"gpu": {"policy": "all"}},
        "none": {"gpu": {"policy": "none"}},
        "long": {"gpu": {"longestLease": "1d"}},
        "big": {"memory": "8G"},
    },
}


@pytest.mark.parametrize(
    ("group", "devices"),
    [("", "01"), ("lab", "12"), ("all", "0123"), ("none", ""), ("long", "01"), ("big", "01"), ("the hub's", "01")],
    ids=["instructors", "own", "every", "none", "as everyone", "no rules of its own", "not in the settings"],
)
def test_a_group_reserves_devices_that_it_can_use(group: str, devices: str) -> None:
    pools = device_pools(Settings.model_validate(CLASS, by_name=False), FOUR)
    assert "".join(device.label for device in pools(group)) == devices


def test_a_group_gets_devices_that_only_it_can_use_and_leaves_those_that_others_need() -> None:
    pools = device_pools(Settings.model_validate(CLASS, by_name=False), FOUR)
    lab, site, every = (replace(reservation_of(2), group=group) for group in ("lab", "", "all"))
    one = replace(lab, count=1)
    assert labels(claims_of(pools, FOUR, [], [lab])) == [["1", "2"]]
    assert labels(claims_of(pools, FOUR, [], [one, site])) == [["2"], ["0", "1"]], (
        "the second request fits no other device"
    )
    assert labels(claims_of(pools, FOUR, [], [every, one, replace(site, count=1)])) == [["1", "3"], ["2"], ["0"]]
    check_reservation(one, [site], NOON, pools)
    with pytest.raises(ReservationError, match=r"Only 2 GPUs .* for group lab, .* number 7 \(2\)\. Reserve fewer"):
        check_reservation(lab, [replace(site, id=7)], NOON, pools)
    for group, message in (
        ("lab", "Only 2 GPUs can be reserved for group lab."),
        ("none", "No GPU can be reserved for group none."),
    ):
        with pytest.raises(ReservationError, match=message):
            check_reservation(replace(reservation_of(3), group=group), [], NOON, pools)


@pytest.mark.no_cover  # takes three times as long with it
@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from("abcdef"), unique=True)), max_size=5))
@settings(max_examples=300, deadline=None)
def test_all_requests_are_satisfied_where_possible_and_earlier_ones_lose_nothing(
    requests: list[tuple[int, list[str]]],
) -> None:
    found = match_devices(requests)
    assert len(frozenset[str]().union(*found)) == sum(map(len, found)), "no device twice"
    assert all(mine <= set(fit) for mine, (_, fit) in zip(found, requests, strict=True))
    # Hall's theorem: all are satisfied if every subset of requests fits at least as many devices as it needs.
    some = [subset for size in range(1, len(requests) + 1) for subset in combinations(requests, size)]
    can_be = all(
        sum(count for count, _ in subset) <= len(set[str]().union(*(fit for _, fit in subset))) for subset in some
    )
    assert can_be == all(len(mine) == count for mine, (count, _) in zip(found, requests, strict=True))
    for number in range(len(requests)):
        assert [len(mine) for mine in match_devices(requests[:number])] == [len(mine) for mine in found[:number]]


GROUPS = [ALONE, PAIR, SHARED, Gpu(policy="shared", students_per_device=1), Gpu(policy="all")]


@pytest.mark.no_cover  # takes three times as long with it
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_start_gets_a_device_that_is_reserved_for_others(data: st.DataObject) -> None:
    """A lecture's members find as many GPUs as were reserved, less those that others have had since before."""
    machine = inventory(nvidia(data.draw(st.integers(1, 6))))
    names = [f"s{number}" for number in range(8)]
    rules = {name: data.draw(st.sampled_from(GROUPS)) for name in names}
    running: dict[str, Lease] = {}
    reservations: list[Reservation] = []
    some = st.lists(st.sampled_from(machine.devices), unique=True)
    own = {group: data.draw(st.just(list(machine.devices)) | some) for group in ("lab", "art", "")}
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.sampled_from(["start", "start", "start", "stop", "reserve", "cancel"])):
            case "start":
                name = data.draw(st.sampled_from(names))
                others = [lease for lease in running.values() if lease.holder != name]
                claimed = claims_of(own.__getitem__, machine, others, reservations)
                answer = allocate(rules[name], machine, others, name, claimed)
                running.pop(name, None)
                if isinstance(answer, Granted):
                    exclusive = rules[name].policy == "exclusive"
                    made = Lease(name, answer.names, answer.identities, exclusive, limit=student_limit(rules[name]))
                    mine = leased_identities(machine, made)
                    running[name] = made
                    foreign = [claim for claim in claimed if name not in claim.members]
                    assert not any(mine & claim.identities for claim in foreign)
            case "stop":
                running.pop(data.draw(st.sampled_from(names)), None)
            case "reserve":
                members = frozenset(data.draw(st.sets(st.sampled_from(names))))
                wanted = Reservation(
                    data.draw(st.integers(1, 4)), NOON, NOON + HOUR, data.draw(st.sampled_from(sorted(own))), members
                )
                try:
                    check_reservation(wanted, reservations, NOON, own.__getitem__)
                except ReservationError:
                    continue
                reservations.append(wanted)
            case "cancel":
                reservations = reservations[:-1]
        found = claims_of(own.__getitem__, machine, list(running.values()), reservations)
        assert [len(each.identities) for each in found] == [each.count for each in reservations]
        assert len(frozenset[str]().union(*(each.identities for each in found))) == sum(
            len(e.identities) for e in found
        )
        for each, claim in zip(reservations, found, strict=True):
            assert claim.identities <= {device.identity for device in own[each.group]}
        assert found == claims_of(own.__getitem__, machine, list(reversed(running.values())), reservations)


@pytest.mark.parametrize(
    ("wanted", "others", "message"),
    [
        (reservation_of(4), [], None),
        (reservation_of(5), [], "Only 4 GPUs can be reserved for group lab."),
        (reservation_of(1, 1, 1), [], "end before it begins"),
        (reservation_of(1, 2, 1), [], "end before it begins"),
        (reservation_of(1, -2, -1), [], "That time is over"),
        (reservation_of(1, -2, 1), [], None),
        (reservation_of(2), [reservation_of(2)], None),
        (reservation_of(3), [reservation_of(2, number=7)], "others are reserved for that time: number 7 (2)."),
        (reservation_of(4), [reservation_of(4, 1, 2)], None),
        (reservation_of(4), [reservation_of(4, -1, 0)], None),
        (reservation_of(2, 0, 4), [reservation_of(2, 0, 1), reservation_of(2, 1, 2), reservation_of(2, 3, 4)], None),
        (reservation_of(2, 0, 4), [reservation_of(2, 0, 2), reservation_of(1, 1, 3)], "others are reserved"),
    ],
    ids=[
        "all",
        "more than there are",
        "no time at all",
        "backwards",
        "over",
        "begun",
        "at the same time as another",
        "too many at once",
        "before another",
        "after another",
        "one after the other",
        "too many for an hour of it",
    ],
)
def test_an_impossible_reservation_is_refused_with_its_reason(
    wanted: Reservation, others: list[Reservation], message: str | None
) -> None:
    if message is None:
        check_reservation(wanted, others, NOON, everything)
        return
    with pytest.raises(ReservationError) as refused:
        check_reservation(wanted, others, NOON, everything)
    assert message in str(refused.value)


def people(db: Session, **groups: list[str]) -> None:
    for name in sorted({name for names in groups.values() for name in names}):
        db.add(orm.User(name=name, admin=name == "teacher"))
    db.flush()
    for group, names in groups.items():
        users = [user for user in db.query(orm.User) if user.name in names]
        db.add(orm.Group(name=group, users=users))
    db.commit()


def wish(count: int, group: str = "", hours: float = 1) -> Reservation:
    return Reservation(count, utc_now(), utc_now() + hours * HOUR, group, made_by="teacher")


def test_a_stored_reservation_is_for_the_current_members(db: Session) -> None:
    people(db, lab=["ada", "ben"], other=["teacher", "cem"])
    first = store.create_reservation(db, wish(2, "lab"), everything)
    second = store.create_reservation(db, replace(wish(2), clear=True), everything)
    assert (first.clear, second.clear) == (False, True)
    db.expire_all()
    assert [reservation.members for reservation in store.list_reservations(db)] == [{"ada", "ben"}, {"teacher"}]
    assert store.cancel_reservations(db, [first.id, 99]) == (first.id,)
    assert [reservation.id for reservation in store.list_reservations(db)] == [second.id]
    assert store.list_reservations(db, utc_now() + 2 * HOUR) == ()


def test_a_group_of_the_settings_has_its_configured_members(db: Session) -> None:
    people(db, lab=["ada"])
    groups = {"lab": ("ben",), "staff": ("kim",)}
    for name, members in (("lab", {"ada", "ben"}), ("staff", {"kim"})):
        assert store.create_reservation(db, wish(1, name), everything, groups).members == members
    assert [reservation.members for reservation in store.list_reservations(db, named=groups)] == [
        {"ada", "ben"},
        {"kim"},
    ]


@pytest.mark.parametrize(("group", "message"), [("nobody's", "There is no group nobody's. Groups: lab, other.")])
def test_an_unknown_group_is_refused(db: Session, group: str, message: str) -> None:
    people(db, lab=["ada"], other=[])
    with pytest.raises(ReservationError, match=message):
        store.create_reservation(db, wish(1, group), everything)


def test_a_clock_jump_loses_no_reservation(db: Session) -> None:
    made = store.create_reservation(db, wish(1), everything)
    assert store.list_reservations(db, utc_now() + timedelta(days=4000)) == ()
    assert store.list_reservations(db) == (made,)


def snapshot_of(leases: list[Lease], *reservations: Reservation, when: datetime = NOON, **more: Any) -> GpuSnapshot:
    in_force = [reservation for reservation in reservations if reservation.holds(when)]
    claimed = claims_of(everything, FOUR, leases, in_force)
    given: dict[str, Any] = {"reservations": reservations, "claims": claimed, "pools": everything} | more
    return GpuSnapshot(ALONE, FOUR, tuple(leases), **given)


def test_students_see_reservations_and_their_end() -> None:
    found = snapshot_of([lease("zoe", 0), lease("kim", 1)], reservation_of(2, 0, 3.5, "ada"))
    answer = found.allocate("ben")
    assert isinstance(answer, Busy)
    assert answer.reason == "All GPUs are in use or reserved."
    assert isinstance(found.allocate("ada"), Granted)
    (note,) = queue_notes(found, "ben", NOON)
    assert note == f"2 GPUs are reserved until {local_time(NOON + 3.5 * HOUR, NOON)}."
    assert queue_notes(found, "ada", NOON) == [note.replace("reserved", "reserved for you")]
    assert [row["use"] for row in device_rows(found, "ben")[2:]] == ["reserved", "reserved"]
    assert [row["use"] for row in device_rows(found, "ada")[2:]] == ["free", "free"]


def test_a_future_reservation_is_shown_before_it_and_not_after() -> None:
    found = snapshot_of([], reservation_of(1, 2, 3), reservation_of(1, 30, 31))
    begins, ends = local_time(NOON + 2 * HOUR, NOON), local_time(NOON + 3 * HOUR, NOON)
    assert queue_notes(found, "ben", NOON) == [f"1 GPU is reserved from {begins} until {ends}."]
    assert queue_notes(found, "ben", NOON + 4 * HOUR) == []
    elsewhere = replace(
        snapshot_of([], reservation_of(1, 2, 3, "ada")),
        gpu=Gpu(policy="exclusive", devices=("0",)),
        pools=lambda _: FOUR.devices[2:],
    )
    assert queue_notes(elsewhere, "ben", NOON) == [], "reservations of devices that students cannot use are hidden"
    assert len(queue_notes(elsewhere, "ada", NOON)) == 1


@pytest.mark.parametrize(
    ("zone", "hours", "text"),
    [("UTC", 3.5, "15:30 UTC"), ("Europe/Berlin", 3.5, "16:30"), ("Europe/Berlin", 24, "Sat 16 Jan 13:00")],
)
def test_times_are_those_of_the_machines_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, hours: float, text: str
) -> None:
    import time  # noqa: PLC0415 - the zone is the process's

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert local_time(NOON + hours * HOUR, NOON) == text
        assert describe_reservation(reservation_of(1, 0, hours), NOON) == f"1 GPU is reserved until {text}."
    finally:
        monkeypatch.undo()
        time.tzset()
