"""Findings of each check, from its input. tests/behaviour/test_doctor.py runs them against real parts."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from classroom.backup.target import LastBackup
from classroom.doctor import engine, gpus, homes, machine, shared_folders, units
from classroom.doctor.checks import State
from classroom.doctor.state import inspect_backup
from classroom.errors import ClassroomError
from classroom.gpus.cdi import parse_specification
from classroom.gpus.inventory import discover
from classroom.settings.models import Settings
from classroom.storage.unmoved import UnmovedHomes

OK, WARNING, WRONG = State.OK, State.WARNING, State.WRONG
GIB = 1024**3

SPECIFICATION = """{"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [
    {"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}},
    {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia1"}]}}]}"""
LIMITS = dict.fromkeys(("MemoryLimit", "CpuCfsPeriod", "CpuCfsQuota", "PidsLimit"), True)
GOOD = {
    "LiveRestoreEnabled": True,
    "CDISpecDirs": ["/etc/cdi"],
    "SecurityOptions": ["name=seccomp,profile=builtin"],
    **LIMITS,
}


@pytest.mark.parametrize(
    ("info", "wants_gpus", "says"),
    [
        pytest.param(GOOD, True, [], id="well"),
        pytest.param(GOOD | {"CDISpecDirs": []}, False, [], id="no_GPUs_wanted"),
        pytest.param(GOOD | {"CDISpecDirs": []}, True, ["CDI is off"], id="no_CDI"),
        pytest.param(GOOD | {"CDISpecDirs": None}, True, ["CDI is off"], id="no_CDI_older_engine"),
        pytest.param(GOOD | {"LiveRestoreEnabled": False}, True, ["live-restore is off"], id="no_live_restore"),
        pytest.param(GOOD | {"SecurityOptions": None}, True, ["has no seccomp"], id="no_seccomp"),
        pytest.param(GOOD | {"MemoryLimit": False}, True, ["cannot set student.memory"], id="no_limit_of_memory"),
        pytest.param(GOOD | {"CpuCfsQuota": False}, True, ["cannot set student.cpus"], id="no_limit_of_cpus"),
        pytest.param(GOOD | {"PidsLimit": False}, True, ["cannot set student.processes"], id="no_limit_of_processes"),
    ],
)
def test_the_engines_settings(info: dict[str, Any], says: list[str], *, wants_gpus: bool) -> None:
    found = list(engine.inspect_engine_settings(info, wants_gpus=wants_gpus, file=Path("/etc/docker/daemon.json")))
    assert len(found) == len(says)
    assert all(text in finding.message and finding.state is WRONG for text, finding in zip(says, found, strict=True))
    assert all(finding.remedy for finding in found)


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("sudo classroom doctor", "docker compose run --rm doctor"),
        ("classroom hub", "docker compose restart hub"),
        ("nginx", "docker compose restart nginx"),
        ("classroom engine-filter --listen /run/x.sock", "docker compose restart engine"),
        ("classroom network up", "docker compose restart network"),
        ("classroom backup create /srv/backups/classroom", "docker compose run --rm backup create /backups/classroom"),
        ("classroom backup create", "docker compose run --rm backup create"),
        ("classroom gpus sample", "classroom gpus sample"),
        ("classroom homes move", "docker compose exec hub classroom homes move"),
        ("classroom upgrade rollback", "docker compose run --rm hub upgrade rollback"),
        (
            "chmod 600 /var/lib/classroom/secrets/cli-token",
            "docker compose run --rm --entrypoint chmod backup 600 /var/lib/classroom/secrets/cli-token",
        ),
        ("chmod a+rx /srv/faces", "chmod a+rx /srv/faces"),
        ("journalctl -b -e -u classroom-hub", "docker compose logs hub"),
        ("restart dockerd", "systemctl restart docker"),
        ("timedatectl set-ntp true", "timedatectl set-ntp true"),
    ],
)
def test_with_docker_compose_commands_are_those_of_compose(
    command: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert units.operator_command(command) == command
    monkeypatch.setenv("CLASSROOM_CONTAINER", "1")
    assert units.operator_command(command) == typed


def test_a_container_without_the_machines_files_reports_none_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {
            "docker": {"host": f"unix://{tmp_path}/docker.sock"},
            "gpu": {"policy": "all", "cdiDirs": [str(tmp_path)]},
            "groups": {"ml": {"shared": ["/srv/faces"]}},
        }
    )
    (tmp_path / "nvidia.json").write_text(SPECIFICATION)
    monkeypatch.setenv("CLASSROOM_CONTAINER", "1")
    monkeypatch.setattr(engine, "find_process", lambda _host: None)  # the machine of the tests may have an engine
    assert [(finding.about, finding.state) for finding in gpus.check_gpus(settings)] == [
        ("GPUs", OK),
        ("driver", WARNING),
    ]
    with pytest.raises(PermissionError):
        list(shared_folders.check_shared_directories(settings))


def test_a_file_that_is_newer_than_the_engine_waits_for_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text("{}")
    process = engine.Process(os.getpid(), file, started=1000)
    os.utime(file, (999, 999))
    assert list(engine.inspect_settings_file(process)) == []
    os.utime(file, (1100, 1100))
    assert [finding.state for finding in engine.inspect_settings_file(process)] == [WARNING]
    assert list(engine.inspect_settings_file(dataclasses.replace(process, file=tmp_path / "none"))) == []
    assert list(engine.inspect_settings_file(None)) == []


@pytest.mark.parametrize(
    ("labels", "state"),
    [
        pytest.param({"org.classroom.version": "1.2"}, OK, id="the_same"),
        pytest.param({"org.classroom.version": "1.1"}, WRONG, id="older"),
        pytest.param({}, WARNING, id="somebody_elses"),
    ],
)
def test_the_image_has_the_hubs_version(labels: dict[str, str], state: State) -> None:
    assert engine.inspect_image("student:1", labels, "1.2", "load it").state is state


@pytest.mark.parametrize(
    ("free", "size", "files_free", "state"),
    [
        pytest.param(500 * GIB, 1000 * GIB, 900, OK, id="half"),
        pytest.param(50 * GIB, 1000 * GIB, 900, OK, id="a_small_share_of_a_large_disk"),
        pytest.param(GIB, 4 * GIB, 900, OK, id="a_large_share_of_a_small_disk"),
        pytest.param(15 * GIB, 200 * GIB, 900, WARNING, id="low"),
        pytest.param(GIB, 200 * GIB, 900, WRONG, id="full"),
        pytest.param(0, 200 * GIB, 900, WRONG, id="nothing_left"),
        pytest.param(500 * GIB, 1000 * GIB, 50, WARNING, id="few_files_left"),
        pytest.param(500 * GIB, 1000 * GIB, 0, WRONG, id="no_file_left"),
    ],
)
def test_free_space_of_a_disk(free: int, size: int, files_free: int, state: State) -> None:
    assert machine.inspect_disk(machine.Disk("homes", size, free, 1000, files_free)).state is state


def test_a_file_system_without_a_limit_of_files_has_space() -> None:
    assert machine.inspect_disk(machine.Disk("homes", 100 * GIB, 50 * GIB, 0, 0)).state is OK


def test_directories_on_one_file_system_are_one_finding(tmp_path: Path) -> None:
    found = list(machine.disks({"state": tmp_path, "homes": tmp_path, "gone": tmp_path / "none"}))
    assert [disk.what for disk in found] == ["state, homes"]


@pytest.mark.attack(79)
@pytest.mark.parametrize(
    ("storage", "says", "remedy"),
    [
        ({}, "can fill the disk", 'storage.kind = "directory", storage.path = "/srv/homes", storage.quota = "20G"'),
        ({"kind": "directory", "path": "/srv/homes"}, "can fill the disk", 'set storage.quota = "20G"'),
        ({"kind": "directory", "path": "/srv/homes", "quota": "20G"}, "at most 20G", ""),
    ],
    ids=["volumes", "directories", "quota"],
)
def test_homes_without_a_limit_are_reported_with_the_settings(storage: dict[str, Any], says: str, remedy: str) -> None:
    (found,) = homes.check_limit(Settings.model_validate({"storage": storage}).storage)
    assert says in found.message
    assert remedy in (found.remedy or "")
    assert found.state is (WARNING if remedy else OK)


def test_the_clock_is_checked() -> None:
    (found,) = machine.check_clock()
    assert found.state in {OK, WARNING}


NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "repository", "problems", "state", "message", "remedy"),
    [
        pytest.param(None, None, (), WARNING, "There is no backup", "create /srv/backups/classroom", id="never"),
        pytest.param(None, "/b", (), WARNING, "There is no backup", "create", id="never_where_the_settings_say"),
        pytest.param("2026-11-26T02:00:00+00:00", None, (), OK, "10 hours old (/nas/class)", None, id="this_night"),
        pytest.param("2026-11-22T02:00:00+00:00", None, (), OK, "4 days old", None, id="this_week"),
        pytest.param("2026-11-27T02:00:00+00:00", None, (), OK, "0 hours old", None, id="the_clock_was_turned_back"),
        pytest.param("2026-11-01T02:00:00+00:00", None, (), WARNING, "25 days", "create /nas/class", id="old"),
        pytest.param("2026-11-26T02:00:00+00:00", "/b", ("ada: no",), WARNING, "ada: no", "create", id="incomplete"),
    ],
)
def test_the_age_of_the_last_backup(  # noqa: PLR0917 - columns of the table
    made: str | None, repository: str | None, problems: tuple[str, ...], state: State, message: str, remedy: str | None
) -> None:
    last = LastBackup(made, "/nas/class", archive=False, problems=problems) if made else None
    found = inspect_backup(last, repository, NOW)
    assert found.state is state
    assert message in found.message
    assert found.remedy == (f"classroom backup {remedy}" if remedy else None)


def test_an_old_archive_is_replaced() -> None:
    found = inspect_backup(
        LastBackup("2026-01-01T00:00:00+00:00", "/nas/c.tar.zst", archive=True, problems=()), None, NOW
    )
    assert found.remedy == "classroom backup create --archive /nas/c.tar.zst --overwrite"


@pytest.mark.parametrize(
    ("mode", "owner", "says"),
    [
        pytest.param(0o755, (0, 0), [], id="everyone's"),
        pytest.param(0o700, (1000, 100), [], id="students'_own"),
        pytest.param(0o750, (0, 100), [], id="of_students'_group"),
        pytest.param(0o750, (0, 0), ["students of ml cannot read it"], id="root's"),
        pytest.param(0o744, (0, 0), ["cannot read it"], id="listed_and_not_opened"),
        pytest.param(None, (0, 0), ["is not on this machine: no student of ml can start a server"], id="not_there"),
    ],
)
def test_a_shared_folder_exists_and_students_can_read_it(
    mode: int | None, owner: tuple[int, int], says: list[str], tmp_path: Path
) -> None:
    if mode is not None:
        folder = tmp_path / "srv/faces"
        folder.mkdir(parents=True)
        folder.chmod(mode)
        if owner != (0, 0) and os.geteuid():
            pytest.skip("only root gives folders away")
        os.chown(folder, *owner) if not os.geteuid() else None
    found = list(shared_folders.inspect_shared_directory(Path("/srv/faces"), "ml", tmp_path))
    assert len(found) == len(says)
    assert all(text in finding.message and finding.state is WRONG for text, finding in zip(says, found, strict=True))


LISTED = """\
classroom-hub.service loaded failed failed Hub of the class
nvidia-container-toolkit-cdi-generator.service loaded failed failed CDI
man-db.service loaded failed failed Daily man-db regeneration
"""


def test_failed_units_of_the_class_are_reported_and_others_are_not() -> None:
    found = list(units.inspect_units(LISTED))
    assert [finding.remedy for finding in found] == [
        "journalctl -b -e -u classroom-hub.service",
        "journalctl -b -e -u nvidia-container-toolkit-cdi-generator.service",
    ]
    assert [finding.state for finding in units.inspect_units("")] == [OK]


def test_a_missing_secret_is_named_with_the_units_that_wait_for_it(tmp_path: Path) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.touch()
    text = f"[Service]\nLoadCredential=cookie-secret:{there}\nLoadCredential=crypt-key:{missing}\n"
    (found,) = units.inspect_secrets({"classroom-hub": text, "classroom-proxy": text, "classroom-backup": ""})
    assert found.state == WRONG
    assert f"Without {missing} these units do not start: classroom-hub, classroom-proxy." in found.message
    assert list(units.inspect_secrets({"classroom-hub": ""})) == []


NVRM = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root@x)  Tue Sep 23 2025\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)


@pytest.mark.parametrize(
    ("module", "libraries", "states"),
    [
        pytest.param(None, [], [], id="no_NVIDIA"),
        pytest.param("580.95.05", ["580.95.05"], [OK], id="the_same"),
        pytest.param("580.95.05", ["590.1"], [WRONG], id="updated_without_a_reboot"),
        pytest.param(None, ["590.1"], [WRONG], id="module_not_loaded"),
        pytest.param("580.95.05", [], [WARNING], id="libraries_elsewhere"),
    ],
)
@pytest.mark.parametrize("kept_in", ["sys/module/nvidia/version", "proc/driver/nvidia/version"])
def test_versions_of_driver_and_libraries_are_compared(
    module: str | None, libraries: list[str], states: list[State], *, kept_in: str, tmp_path: Path
) -> None:
    if module:
        (tmp_path / kept_in).parent.mkdir(parents=True)
        (tmp_path / kept_in).write_text(NVRM if kept_in.startswith("proc") else f"{module}\n")
    folder = tmp_path / "run/opengl-driver/lib"
    folder.mkdir(parents=True)
    for name in ("libcuda.so", "libcuda.so.1", *(f"libcuda.so.{number}" for number in libraries)):
        (folder / name).touch()
    assert [finding.state for finding in gpus.check_driver(tmp_path)] == states


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        ({"gpu": {"policy": "all"}}, None),
        ({"gpu": {"policy": "all", "idle": "30m"}}, "(set: gpu.idle)"),
        ({"gpu": {"policy": "all"}, "groups": {"ml": {"gpu": {"idle": "30m"}}}}, "(set: groups.ml.gpu.idle)"),
        ({"gpu": {"policy": "all"}, "groups": {"ml": {"gpu": {"policy": "none", "idle": "30m"}}}}, None),
    ],
    ids=["nobody", "everyone", "a group", "a group without GPUs"],
)
def test_an_idle_limit_without_measurements_is_reported(tmp_path: Path, data: dict[str, Any], asks: str | None) -> None:
    samples = {"samples": str(tmp_path / "sample.json"), "cdiDirs": [str(tmp_path)]}
    settings = Settings.model_validate(data | {"gpu": data["gpu"] | samples}, by_name=False)
    messages = [finding.message for finding in gpus.check_gpus(settings, tmp_path) if "idle GPUs" in finding.message]
    assert (asks in messages[0]) if asks else messages == []


def test_a_stopped_mps_daemon_is_reported(tmp_path: Path) -> None:
    mps = {"enable": True, "memory": "8G", "folder": "/run/mps"}
    settings = Settings.model_validate({"gpu": {"policy": "shared", "mps": mps}}, by_name=False)
    pipe = tmp_path / "run/mps/pipe"
    (finding,) = gpus.check_mps(settings, tmp_path)
    assert "Its daemon does not run" in finding.message
    pipe.mkdir(parents=True)
    (pipe / "nvidia-cuda-mps-control.pid").write_text("17\n")
    (finding,) = gpus.check_mps(settings, tmp_path)
    assert "Its daemon does not run" in finding.message, "a process file without a process"
    (tmp_path / "proc/17").mkdir(parents=True)
    (finding,) = gpus.check_mps(settings, tmp_path)
    assert finding.message == "Its daemon runs; a program may take 8G."
    (tmp_path / "run/mps/settings.json").write_text(settings.gpu.mps.model_dump_json())
    (finding,) = gpus.check_mps(settings, tmp_path)
    assert finding.message == "Its daemon runs; a program may take 8G."
    (tmp_path / "run/mps/settings.json").write_text(Settings().gpu.mps.model_dump_json())
    (finding,) = gpus.check_mps(settings, tmp_path)
    assert "Its daemon runs with earlier settings" in finding.message
    assert list(gpus.check_mps(Settings(), tmp_path)) == []


def test_a_device_without_its_file_is_reported(tmp_path: Path) -> None:
    inventory = discover(parse_specification(SPECIFICATION, is_yaml=False))
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    (message,) = gpus.missing_device_files(inventory, tmp_path)
    assert message.startswith("nvidia.com/gpu=1: /dev/nvidia1 is missing")


def test_students_who_lost_their_home_are_named() -> None:
    records = {"classroom-home-ada": "ada", "classroom-home-bob": "bob"}
    (found,) = homes.inspect_homes(records, {"classroom-home-bob", "classroom-home-eve"})
    assert (found.state, found.message.partition(" does")[0]) == (WRONG, "The home of ada")
    (found,) = homes.inspect_homes(records, set(records))
    assert found.state == OK
    (found,) = homes.inspect_homes({f"h{number}": f"s{number:02}" for number in range(12)}, set())
    assert "s09 and 2 more" in found.message


def test_homes_that_have_not_been_moved_are_no_lost_ones() -> None:
    records = {"classroom-home-ada": "ada", "classroom-home-bob": "bob"}
    (found,) = homes.inspect_homes(records, {"classroom-home-bob"}, {"classroom-home-ada"})
    assert (found.state, found.remedy) == (WRONG, "classroom homes move")
    assert "ada is still a volume" in found.message
    waiting, lost = homes.inspect_homes(records, set(), {"classroom-home-ada"})
    assert ("ada" in waiting.message, "bob" in lost.message) == (True, True)


def test_a_move_that_has_not_ended_is_reported_with_the_command_that_goes_on() -> None:
    records = {"classroom-home-ada": "ada", "classroom-home-bob": "bob"}
    unmoved = UnmovedHomes(Path("/srv/homes"), frozenset({"classroom-home-ada"}))
    for existing in (set(records), {"classroom-home-bob"}):
        (found,) = homes.inspect_homes(records, existing, unmoved=unmoved)
        assert (found.state, found.remedy) == (WRONG, "classroom homes move --from /srv/homes")
        assert "ada" in found.message


@pytest.mark.parametrize("user", [0, 990])
def test_a_directory_of_homes_that_is_missing_is_reported_to_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    storage = {"kind": "directory", "path": str(tmp_path / "homes")}
    with sqlite3.connect(tmp_path / "jupyterhub.sqlite") as database:
        database.execute("CREATE TABLE classroom_homes (username, location, archived_at)")
    data = {"storage": storage, "paths": {"state": str(tmp_path)}}
    settings = Settings.model_validate(data, by_name=False)
    with pytest.raises(ClassroomError if user == 0 else PermissionError, match="mount its disk" if user == 0 else None):
        list(homes.check_homes(settings))
