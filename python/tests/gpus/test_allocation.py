from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom.gpus import allocation
from classroom.gpus.allocation import (
    Allocation,
    Busy,
    Granted,
    NoGpu,
    allocate,
    device_load,
    gpu_problems,
    student_limit,
)
from classroom.gpus.inventory import Inventory
from classroom.gpus.leases import Lease
from classroom.settings.models import Gpu
from support.gpus import fake, inventory, nvidia, spec, with_mig

FOUR = inventory(nvidia(4))


def gpu(policy: str, **more: Any) -> Gpu:
    return Gpu.model_validate({"policy": policy} | more)


def held(*devices: str, exclusive: bool = False, limit: int = 0) -> Lease:
    return Lease("ada", tuple(f"nvidia.com/gpu={name}" for name in devices), exclusive=exclusive, limit=limit)


def short(placement: Allocation) -> list[str] | str:
    if isinstance(placement, Granted):
        return [name.removeprefix("nvidia.com/gpu=") for name in placement.names]
    return type(placement).__name__


@pytest.mark.parametrize(
    ("rules", "machine", "leases", "answer"),
    [
        (gpu("none"), FOUR, [], []),
        (gpu("all"), FOUR, [held("0")], ["all"]),
        (gpu("all"), inventory(fake(2)), [], ["0", "1"]),
        (gpu("all"), FOUR, [held("1", exclusive=True)], ["0", "2", "3"]),
        (gpu("all"), Inventory(), [], "NoGpu"),
        (gpu("devices", devices=["1", "3"]), FOUR, [held("1")], ["1", "3"]),
        (gpu("devices", devices=["1", "7"]), FOUR, [], ["1"]),
        (gpu("devices", devices=["7"]), FOUR, [], "NoGpu"),
        (gpu("devices", devices=["1"]), FOUR, [held("1", exclusive=True)], "Busy"),
        (gpu("devices", devices=["nvidia.com/gds=all"]), inventory(spec([{"name": "all"}], "nvidia.com/gds")), [],
         ["nvidia.com/gds=all"]),
        (gpu("exclusive"), FOUR, [], ["0"]),
        (gpu("exclusive"), FOUR, [held("0"), held("2")], ["1"]),
        (gpu("exclusive", per_student=2), FOUR, [held("1")], ["0", "2"]),
        (gpu("exclusive", per_student=2), FOUR, [held("1", "2", "3")], "Busy"),
        (gpu("exclusive", per_student=5), FOUR, [], "NoGpu"),
        (gpu("exclusive", devices=["2"]), FOUR, [], ["2"]),
        (gpu("exclusive", devices=["2"]), FOUR, [held("2")], "Busy"),
        (gpu("exclusive"), FOUR, [held("all")], "Busy"),
        (gpu("exclusive"), inventory(with_mig(1, 2)), [held("0:0")], ["0:1"]),
        (gpu("shared"), FOUR, [held("0")], ["1"]),
        (gpu("shared"), FOUR, [held("0"), held("1"), held("2"), held("3")], ["0"]),
        (gpu("shared", students_per_device=1), FOUR, [held("0"), held("1"), held("2"), held("3")], "Busy"),
        (gpu("shared"), FOUR, [held("all"), held("all")], "Busy"),
        (gpu("shared", devices=["3"], students_per_device=9), FOUR, [held("0", exclusive=True)], ["3"]),
        (gpu("shared"), inventory(nvidia(2)), [held("0", exclusive=True), held("1"), held("1")], "Busy"),
        (gpu("shared"), Inventory(), [], "NoGpu"),
        (gpu("shared", students_per_device=9), inventory(nvidia(1)), [held("0", limit=2)], ["0"]),
        (gpu("shared", students_per_device=9), inventory(nvidia(1)), [held("0", limit=2), held("0", limit=9)], "Busy"),
        (gpu("shared"), inventory(nvidia(2)), [held("0", limit=9), held("0", limit=9), held("1", exclusive=True)],
         "Busy"),
        (gpu("all"), inventory(nvidia(2)), [held("0", limit=1)], ["1"]),
        (gpu("all"), inventory(nvidia(2)), [held("0", limit=2)], ["all"]),
        (gpu("devices", devices=["0"]), inventory(nvidia(2)), [held("0", limit=1)], "Busy"),
    ],

)  # fmt: skip
def test_the_allocation_of_a_student_is(
    rules: Gpu, machine: Inventory, leases: list[Lease], answer: list[str] | str
) -> None:
    assert short(allocate(rules, machine, leases)) == answer


def test_a_renamed_device_stays_leased() -> None:
    lease = Lease("ada", ("nvidia.com/gpu=GPU-gone",), ("/dev/nvidia0",), exclusive=True)
    assert short(allocate(gpu("exclusive"), FOUR, [lease])) == ["1"]


def test_a_lease_by_uuid_holds_the_device_of_that_index() -> None:
    machine = inventory(nvidia(2, uuids=True))
    assert short(allocate(gpu("exclusive"), machine, [held("GPU-00000000")])) == ["1"]


def test_a_vanished_device_blocks_nobody() -> None:
    assert short(allocate(gpu("exclusive"), inventory(nvidia(1)), [held("3", exclusive=True)])) == ["0"]


@pytest.mark.parametrize(
    ("rules", "machine", "messages"),
    [
        (gpu("none"), Inventory(problems=("broken",)), []),
        (gpu("exclusive"), FOUR, []),
        (gpu("exclusive", per_student=4), FOUR, []),
        (gpu("exclusive", per_student=5), FOUR, ["gpu.perStudent is 5, but the number of GPUs for the class is 4."]),
        (gpu("devices", devices=["0", "9"]), FOUR, ["gpu.devices: 9 does not exist; this machine has 0, 1, 2, 3"]),
        (gpu("shared"), Inventory(), ["no specification in /etc/cdi, /var/run/cdi names a GPU"]),
        (gpu("all"), Inventory(FOUR.devices, FOUR.names, ("file broken",)), ["file broken"]),
    ],
    ids=["none", "right", "just right", "too many", "no such device", "no driver", "broken file"],
)
def test_settings_that_the_machine_cannot_satisfy_are_problems(
    rules: Gpu, machine: Inventory, messages: list[str]
) -> None:
    found = gpu_problems(rules, machine)
    assert len(found) == len(messages)
    assert all(part in whole for part, whole in zip(messages, found, strict=True))


RULES = st.one_of(
    st.builds(
        lambda count, devices: gpu("exclusive", per_student=count, devices=devices),
        st.integers(1, 3),
        st.sampled_from([[], ["0", "1"]]),
    ),
    st.builds(
        lambda count, devices: gpu("shared", students_per_device=count, devices=devices),
        st.integers(1, 4),
        st.sampled_from([[], ["1"]]),
    ),
    st.just(gpu("all")),
    st.just(gpu("devices", devices=["0", "2"])),
    st.just(gpu("none")),
)
MACHINES = st.sampled_from([inventory(nvidia(n, uuids=n % 2 == 0)) for n in range(7)] + [inventory(with_mig(2, 3))])


class Class:
    """Model of a class: the engine keeps containers, and the hub remembers nothing between two calls."""

    def __init__(self, rules: list[Gpu], machine: Inventory) -> None:
        """Create a class with a group of students for each of the rules."""
        self.rules, self.machine = rules, machine
        self.containers: dict[str, Lease] = {}

    def start(self, student: str) -> None:
        rules = self.rules[sum(student.encode()) % len(self.rules)]
        others = [lease for lease in self.containers.values() if lease.holder != student]
        answer = allocate(rules, self.machine, others)
        assert answer == allocate(rules, self.machine, list(reversed(others))), "the answer depends on the order"
        if isinstance(answer, Granted):
            exclusive = rules.policy == "exclusive"
            lease = Lease(student, answer.names, answer.identities, exclusive, limit=student_limit(rules))
            self.check(rules, lease, others)
            self.containers[student] = lease
        else:
            self.containers.pop(student, None)
            if isinstance(answer, Busy):
                self.check_full(rules, others)

    def check(self, rules: Gpu, lease: Lease, others: list[Lease]) -> None:
        before = device_load(self.machine, others)
        after = device_load(self.machine, [*others, lease])
        mine = [device for device in self.machine.devices if after.count(device) > before.count(device)]
        assert not any(before.is_exclusive(device) for device in mine), "an exclusive device was allocated"
        for device in mine:
            promises = [other.limit for other in [*others, lease] if other.limit and device.identity in on(self, other)]
            assert after.count(device) <= min(promises, default=99), "more students than a rule allows"
        if rules.policy == "exclusive":
            assert len(mine) == rules.per_student
            assert all(before.count(device) == 0 for device in mine)
        if rules.policy == "shared":
            (device,) = mine
            open_ = [other for other in self.pool(rules) if before.admits(other)]
            assert before.count(device) == min(before.count(other) for other in open_), "not the least loaded"

    def check_full(self, rules: Gpu, others: list[Lease]) -> None:
        before = device_load(self.machine, others)
        free = [device for device in self.pool(rules) if before.count(device) == 0]
        if rules.policy == "exclusive":
            assert len(free) < rules.per_student, "Busy, although enough devices were free"
        if rules.policy == "shared":
            assert not free

    def pool(self, rules: Gpu) -> list[Any]:
        names = {f"nvidia.com/gpu={name}" for name in rules.devices}
        return [device for device in self.machine.devices if not names or names & set(device.names)]


def on(room: Class, lease: Lease) -> set[str]:
    return allocation.leased_identities(room.machine, lease)


GROUPS = st.lists(RULES, min_size=1, max_size=3)


@pytest.mark.attack(70)
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_sequence_of_starts_and_stops_keeps_the_rules(data: st.DataObject) -> None:
    room = Class(data.draw(GROUPS), data.draw(MACHINES))
    for _ in range(data.draw(st.integers(1, 30))):
        match data.draw(st.sampled_from(["start", "start", "start", "stop", "rules", "machine"])):
            case "start":
                room.start(data.draw(st.sampled_from("abcdefgh")))
            case "stop":
                room.containers.pop(data.draw(st.sampled_from("abcdefgh")), None)
            case "rules":
                room.rules = data.draw(GROUPS)
            case "machine":
                room.machine = data.draw(MACHINES)


@pytest.mark.no_cover  # takes three times as long with it
def test_ten_thousand_random_sequences_with_crashes_and_restarts_keep_the_rules() -> None:
    dice = random.Random(4)  # noqa: S311
    machines = [inventory(nvidia(n)) for n in (1, 2, 4, 8)]
    policies = [gpu("exclusive"), gpu("exclusive", per_student=2), gpu("shared"), gpu("shared", students_per_device=3)]
    mixed = [*([policy] for policy in policies), policies[:3], policies[1:], [gpu("all"), policies[2]]]
    for _ in range(10_000):
        room = Class(dice.choice(mixed), dice.choice(machines))
        for _ in range(dice.randint(4, 16)):
            student, what = f"s{dice.randrange(12)}", dice.random()
            if what < 0.7:
                room.start(student)
            elif what < 0.9:  # stopped, killed or culled: the container is removed
                room.containers.pop(student, None)
            elif what < 0.95:  # the machine went down: no container survives
                room.containers.clear()
            else:  # a hub starts with other rules, and the containers are unchanged
                room.rules = dice.choice(mixed)


# With coverage, the tracer would be measured too.
@pytest.mark.no_cover
def test_a_thousand_leases_on_64_devices_are_allocated_in_under_a_millisecond_each() -> None:
    machine, rules = inventory(nvidia(64, uuids=True)), gpu("shared", students_per_device=16)
    leases: list[Lease] = []
    times = []
    for number in range(1000):
        begin = time.thread_time()
        answer = allocate(rules, machine, leases)
        times.append(time.thread_time() - begin)
        assert isinstance(answer, Granted)
        leases.append(Lease(f"s{number}", answer.names, answer.identities))
    counts = device_load(machine, leases)
    assert {counts.count(device) for device in machine.devices} <= {15, 16}
    # Processor time, which does not depend on the load of the machine.
    assert sum(times[-100:]) / 100 < 0.001


def test_more_gpus_than_exist_is_not_busy() -> None:
    answer = allocate(gpu("exclusive", per_student=9), FOUR, [held("0")])
    assert isinstance(answer, NoGpu)
    assert "9 GPUs" in answer.reason
