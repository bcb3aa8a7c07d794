"""GPUs on a real engine, simulated by a CDI specification: allocation, devices in containers, and failures."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from behaviour.gpu_class import Class, devices, refused, start, start_without
from behaviour.people import Visitor, api
from behaviour.servers import CodeError, Server
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


def test_each_student_gets_a_gpu_and_the_next_may_start_without_one(room: Class) -> None:
    room.rules("exclusive", devices=["0", "1", "2"])
    first, *others = [room.started() for _ in range(3)]
    assert sorted([first[1], *(seen for _, seen in others)]) == ["0", "1", "2"]
    late = room.student()
    page = refused(late)
    assert "All GPUs are in use." in page
    assert "Start without a GPU" in page
    assert first[0].name not in page
    start_without(late)
    assert room.sees(late) == "none"
    late.open()
    with late.kernel() as kernel:
        output = kernel.run("from classroom.student.gpu import describe; print(describe())")
    assert "You chose to start without a GPU." in output
    late.stop()
    first[0].stop()
    start(late)
    assert room.sees(late) == first[1], "the choice was for one start, and the device is free"


def test_a_shared_gpu_has_no_more_students_than_the_limit(room: Class) -> None:
    room.rules("shared", devices=["1", "3"], studentsPerDevice=2)
    assert [room.started()[1] for _ in range(4)] == ["1", "3", "1", "3"]
    assert "All GPUs are in use." in refused(room.student())


@pytest.mark.attack(70)
def test_two_concurrent_starts_never_get_the_same_gpu(room: Class) -> None:
    room.rules("exclusive", devices=["2"])
    both = [room.student(), room.student()]

    def press(student: Server) -> str:
        try:
            start(student)
        except (CodeError, AssertionError) as error:
            return str(error)
        return "started"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(press, both))
    assert outcomes.count("started") == 1, outcomes
    winner = both[outcomes.index("started")]
    assert room.holders()["2"] == [winner.name]
    assert "All GPUs are in use." in refused(both[1 - outcomes.index("started")])


def test_a_lease_outlives_the_hub_and_ends_with_the_container(room: Class) -> None:
    room.rules("exclusive", devices=["0"])
    first, seen = room.started()
    assert seen == "0"
    room.server("kill", "hub")
    room.server("start", "hub")
    late = room.student()
    assert "All GPUs are in use." in refused(late)
    container = room.server("docker", "ps", "--quiet", "--filter", f"label=org.classroom.user={first.name}").strip()
    room.server("docker", "kill", container)
    wait_until(lambda: room.holders()["0"] == [], "the lease ends with the container", 30)
    start(late)
    assert room.sees(late) == "0"


def test_an_unfinished_start_of_a_killed_hub_holds_no_gpu(room: Class) -> None:
    room.rules("exclusive", devices=["0"])
    first, late = room.student(), room.student()
    first.visitor.get(f"/hub/spawn/{first.name}", follow=False)
    wait_until(lambda: room.holders()["0"] == [first.name], "the first student has the device", 30, 0.05)
    room.server("kill", "hub")
    room.server("start", "hub")
    # A hub killed before the container runs removes the start later; one killed afterwards resumes the server.
    settled = "the hub has taken the server up or cleared it away"
    wait_until(lambda: first.is_known or not room.holders()["0"], settled, 60)
    if first.is_known:
        assert "All GPUs are in use." in refused(late)
        first.stop()
    start(late)
    assert room.sees(late) == "0"


def test_an_exclusive_gpu_stays_exclusive_when_the_rules_change(room: Class) -> None:
    room.rules("exclusive", devices=["0", "1"])
    first, seen = room.started()
    assert seen == "0"
    room.rules("shared", devices=["0", "1"], studentsPerDevice=2)
    assert [room.started()[1] for _ in range(2)] == ["1", "1"]
    assert "All GPUs are in use." in refused(room.student())
    assert room.holders()["0"] == [first.name]


def test_a_device_that_vanishes_stops_no_server_and_is_not_allocated(room: Class, admin: Visitor) -> None:
    room.rules("exclusive")
    first, seen = room.started()
    assert seen == "0"
    room.write(devices("1"))
    second, seen = room.started()
    assert seen == "1"
    assert room.holders() == {"1": [second.name], "nvidia.com/gpu=0": [first.name]}
    first.open()
    assert "All GPUs are in use." in refused(room.student())
    room.rules("exclusive", perStudent=2)
    assert "gpu.perStudent is 2, but the number of GPUs for the class is 1." in admin.get("/hub/home").text
    _, seen = room.started()
    assert seen == "none", "nobody waits for a missing device"


@pytest.mark.parametrize(
    ("policy", "more", "seen"),
    [("all", {}, "0,1,2,3"), ("devices", {"devices": ["3"]}, "3")],
    ids=["all", "devices"],
)
def test_the_policy_of_the_original_project_works(room: Class, policy: str, more: dict[str, Any], seen: str) -> None:
    room.rules(policy, **more)
    assert [room.started()[1] for _ in range(2)] == [seen, seen]


def test_without_a_driver_students_start_and_read_the_reason_and_so_does_the_instructor(
    room: Class, admin: Visitor
) -> None:
    room.rules("exclusive")
    room.write("{ not a specification")
    student, seen = room.started()
    assert seen == "none"
    student.open()
    with student.kernel() as kernel:
        output = kernel.run("from classroom.student.gpu import describe; print(describe())")
    assert "No GPU is available to the class now." in output
    home = admin.get("/hub/home").text
    assert "nvidia.json: not valid JSON" in home
    assert "Students start without one" in home
    assert "nvidia-ctk" not in student.visitor.get("/hub/home").text


def test_a_malformed_file_affects_no_gpu_of_other_files(room: Class) -> None:
    room.rules("exclusive", devices=["0"])
    room.write("kind: [", "broken.yaml")
    try:
        assert room.started()[1] == "0"
        assert "broken.yaml: not valid YAML" in room.report()["mistakes"][0]
    finally:
        room.remove("broken.yaml")


def test_a_device_unknown_to_the_engine_prevents_no_start(room: Class) -> None:
    other = room.cdi.rpartition("/")[0] + "/other-cdi"
    room.server("exec", "mkdir", "-p", other)
    room.server("exec", "sh", "-c", 'printf %s "$1" > "$2"', "sh", json.dumps(devices("9")), f"{other}/a.json")
    room.rules("exclusive", cdiDirs=[other])
    student, seen = room.started()
    assert seen == "none"
    student.open()
    with student.kernel() as kernel:
        output = kernel.run("from classroom.student.gpu import describe; print(describe())")
    assert "The GPU could not be attached." in output
    assert room.holders() == {"9": []}


def test_impossible_settings_are_reported_at_the_start(room: Class, admin: Visitor) -> None:
    room.rules("devices", devices=["0", "7"])
    assert "gpu.devices: 7 does not exist; this machine has 0, 1, 2, 3" in admin.get("/hub/home").text
    assert "GPUs: gpu.devices: 7 does not exist" in room.server("logs", "hub")
    assert room.started()[1] == "0"


def test_a_students_only_choice_is_to_start_without_a_gpu(room: Class) -> None:
    room.rules("none")
    student = room.student()
    for options in ({"gpu": "nvidia.com/gpu=0"}, {"gpu": "yes"}, {"image": "evil"}, {"gpu": False}):
        answer = api(student.visitor, "POST", f"users/{student.name}/server", {"user_options": options})
        assert answer.status_code == 400, answer.text
        assert "A server has one option" in answer.text
    start(student)
    assert room.sees(student) == "none"


def test_the_command_and_the_instructors_page_show_the_leases(room: Class, admin: Visitor) -> None:
    room.rules("shared", devices=["0", "1"])
    student, seen = room.started()
    table = room.server("exec", "classroom", "gpus", "--settings", room.server("settings").strip())
    (line,) = [line for line in table.splitlines() if student.name in line]
    assert line.split()[0] == seen
    assert "0 min" in line
    assert "shared" in line
    assert "not for students" in table
    assert '/hub/gpus"' in admin.get("/hub/home").text
    page = admin.get("/hub/gpus").text
    assert student.name in page
    assert "not for students" in page
    assert "The queue is empty." in page
    answer = student.visitor.get("/hub/gpus")
    assert answer.status_code == 403
    assert '/hub/gpus"' not in student.visitor.get("/hub/home").text


def test_an_mps_client_has_its_pipes_and_the_shared_memory_of_all_clients(room: Class) -> None:
    folder = f"{room.cdi}-mps"
    mps = {"enable": True, "memory": "8G", "folder": folder}
    room.rules("shared", devices=["0"], studentsPerDevice=4, mps=mps)
    early, _ = room.started()
    assert "CUDA_MPS" not in inside(room, early, "env"), "MPS has never run, so the server starts without it"
    room.server("exec", "mkdir", "-m", "1777", "-p", f"{folder}/pipe", f"{folder}/shm")
    room.server("exec", "touch", f"{folder}/pipe/control")
    one, other = room.started()[0], room.started()[0]
    told = inside(room, one, "env").splitlines()
    assert "CUDA_MPS_PIPE_DIRECTORY=/run/classroom-mps" in told
    assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=8192M" in told
    assert (
        inside(room, one, "ls /run/classroom-mps; rm -f /run/classroom-mps/control || echo kept") == "control\nkept\n"
    )
    assert inside(room, one, "echo hello > /dev/shm/greeting") == ""
    assert inside(room, other, "cat /dev/shm/greeting") == "hello\n"
    without = room.student()
    start_without(without)
    assert "CUDA_MPS" not in inside(room, without, "env")
    assert inside(room, without, "ls /dev/shm") == ""


def inside(room: Class, student: Server, script: str) -> str:
    """Return the output of a shell command in the student's container."""
    found = room.server("docker", "ps", "--quiet", "--filter", f"label=org.classroom.user={student.name}").strip()
    return room.server("docker", "exec", "--user", "1000", found, "sh", "-c", f"{{ {script}; }} 2>/dev/null || true")
