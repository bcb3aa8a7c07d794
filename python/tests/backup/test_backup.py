"""Backups of a class whose homes are folders, by the real restic, tar and zstd."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.backup_class import KINDS, PASSWORD, Class, need, tree
from classroom.backup.target import LastBackup, read_last_backup
from classroom.storage.quota import PROJECT_ATTRIBUTE
from support.processes import classroom
from support.waiting import wait_until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of eight megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_class_comes_back_on_another_machine(school: Class, elsewhere: Class, place: list[str]) -> None:
    ada = school.home("ada")
    (ada / "deep/er").mkdir(parents=True)
    (ada / "deep/er/run.sh").write_text("echo")
    (ada / "deep/er/run.sh").chmod(0o750)
    (ada / "-r").write_text("a name like an option")
    (ada / "new\nline").write_text("a name of two lines")
    if os.geteuid() == 0:
        for path in (ada, *ada.rglob("*")):
            os.chown(path, 1000, 100)
    made = school.done("create", *place, **PASSWORD)
    assert (made["homes"], made["accounts"], made["problems"]) == (2, 9, [])
    restored = elsewhere.done("restore", *place, **PASSWORD)
    assert restored["homes"] == ["classroom-home-ada", "classroom-home-bob"]
    for name in ("ada", "bob"):
        assert tree(elsewhere.home(name)) == tree(school.home(name))
    assert (elsewhere.state / "secrets/crypt-key").read_text() == "0123\n"
    assert (elsewhere.state / "secrets").stat().st_mode & 0o777 == 0o700
    assert (elsewhere.state / "secrets/crypt-key").stat().st_mode & 0o777 == 0o600
    query = "SELECT username, password FROM users_info ORDER BY id"
    assert elsewhere.rows(query) == school.rows(query)
    assert json.loads(Path(restored["settings"]).read_text())["paths"]["state"] == str(school.state)
    left = [path.name for path in (*elsewhere.state.iterdir(), *(elsewhere.state / "homes").iterdir())]
    assert not [name for name in left if "restore" in name or name == "classroom-backup"], left


@pytest.mark.attack(60)
def test_links_are_stored_as_links_and_pipes_do_not_block(
    school: Class, elsewhere: Class, place: list[str], tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("of the machine")
    ada = school.home("ada")
    (ada / "folder").symlink_to(tmp_path / "outside")
    (ada / "file").symlink_to("/etc/shadow")
    (ada / "nowhere").symlink_to("nowhere")
    os.mkfifo(ada / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(ada)  # the path of a socket has at most 107 bytes
        listening.bind("socket")
        os.chdir(before)
        school.done("create", *place, **PASSWORD)
    elsewhere.done("restore", *place, **PASSWORD)
    back = elsewhere.home("ada")
    assert (back / "folder").readlink() == tmp_path / "outside"
    assert (back / "file").readlink() == Path("/etc/shadow")
    assert (back / "nowhere").is_symlink()
    assert (tmp_path / "outside/secret").read_text() == "of the machine"
    assert (back / "notes.txt").read_text() == "of ada"


def test_a_class_with_another_prefix_is_another_class(school: Class, tmp_path: Path, archive: list[str]) -> None:
    other = Class(tmp_path / "other", "physics")
    other.configure()
    school.done("create", *archive)
    other.done("restore", *archive)
    assert (other.home("ada") / "notes.txt").read_text() == "of ada"
    locations = [location for (location,) in other.rows("SELECT location FROM classroom_homes ORDER BY id")]
    assert locations == ["physics-home-ada", "physics-home-bob"]


def test_one_students_home_is_restored_alone(school: Class, place: list[str]) -> None:
    school.done("create", *place, **PASSWORD)
    (school.home("bob") / "notes.txt").write_text("newer")
    (school.home("ada") / "notes.txt").write_text("spoilt")
    (school.home("ada") / "more.txt").write_text("of today")
    message = school.refused("restore", *place, "--student=ada", **PASSWORD)
    assert "ada has files here" in message
    assert "--overwrite" in message
    assert (school.home("ada") / "notes.txt").read_text() == "spoilt"
    school.done("restore", *place, "--student=ada", "--overwrite", **PASSWORD)
    assert tree(school.home("ada")).keys() == {".", "notes.txt"}
    assert (school.home("ada") / "notes.txt").read_text() == "of ada"
    assert (school.home("bob") / "notes.txt").read_text() == "newer"
    assert "has no home in this backup" in school.refused("restore", *place, "--student=bob", **PASSWORD)


def test_a_restored_database_has_no_running_servers(school: Class, elsewhere: Class, archive: list[str]) -> None:
    with sqlite3.connect(school.state / "jupyterhub.sqlite") as hub:
        hub.execute("INSERT INTO servers (id, proto, ip, port, base_url) VALUES (7, 'http', '10.0.0.2', 8888, '/')")
        hub.execute("""UPDATE spawners SET server_id = 7, state = '{"object_id": "0123"}' WHERE id = 1""")
    hub.close()
    school.done("create", *archive)
    elsewhere.done("restore", *archive)
    assert set(elsewhere.rows("SELECT server_id, state FROM spawners")) == {(None, "{}")}
    assert elsewhere.rows("SELECT id FROM servers WHERE id = 7") == []


def test_nothing_is_overwritten_without_the_option(school: Class, archive: list[str]) -> None:
    school.done("create", *archive)
    (school.home("ada") / "notes.txt").write_text("newer")
    message = school.refused("restore", *archive)
    assert "9 accounts" in message
    assert "2 homes with files" in message
    assert "--overwrite" in message
    assert (school.home("ada") / "notes.txt").read_text() == "newer"
    done = school.done("restore", *archive, "--overwrite")
    assert (school.home("ada") / "notes.txt").read_text() == "of ada"
    assert Path(done["kept"]).exists(), "the previous database"


def test_a_machine_without_settings_gets_those_of_the_backup(school: Class, tmp_path: Path, archive: list[str]) -> None:
    school.done("create", *archive)
    shutil.rmtree(school.state)
    new = tmp_path / "etc/settings.json"
    school.done("restore", *archive, f"--settings={new}")
    assert new.read_text() == school.settings.read_text()
    assert (school.home("ada") / "notes.txt").read_text() == "of ada"


def test_a_restore_onto_a_running_hub_is_refused(school: Class, archive: list[str]) -> None:
    school.done("create", *archive)
    with socket.create_server(("127.0.0.1", 0)) as hub:
        school.settings.write_text(
            school.settings.read_text().replace("127.0.0.1:9", f"127.0.0.1:{hub.getsockname()[1]}")
        )
        assert "stop it" in school.refused("restore", *archive, "--overwrite")


def test_a_second_backup_at_the_same_time_is_refused(school: Class, archive: list[str]) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import pathlib, sys; from classroom.db.state_lock import hold_state_lock\n"
                "with hold_state_lock(pathlib.Path(sys.argv[1]), 'A backup'): print(flush=True); sys.stdin.read()"
            ),
            school.state,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        message = school.refused("create", *archive)
        assert f"A backup (process {holder.pid}) is under way" in message
        holder.stdin.close()
    school.done("create", *archive)


def test_a_full_disk_is_reported_and_the_next_backup_works(school: Class, small_disk: Path, empty: Path) -> None:
    need("restic", "tar", "zstd")
    big = school.home("ada") / "big"
    big.write_bytes(os.urandom(20_000_000))
    repository, file = small_disk / "backups", small_disk / "class.tar.zst"
    for words in ([str(repository)], ["--archive", str(file)]):
        shutil.copytree(empty, repository)
        assert "the disk is full: free space there" in school.refused("create", *words, **PASSWORD)
        assert not (school.state / "classroom-backup").exists()
        assert list(small_disk.glob("*.zst*")) == []
        shutil.rmtree(repository)
    big.unlink()
    shutil.copytree(empty, repository)
    for words in ([str(repository)], ["--archive", str(file)]):
        assert school.done("create", *words, **PASSWORD)["homes"] == 2


def test_a_restore_onto_a_full_disk_leaves_what_was_there(
    school: Class, elsewhere: Class, place: list[str], small_disk: Path
) -> None:
    (school.home("ada") / "big").write_bytes(os.urandom(20_000_000))
    school.done("create", *place, **PASSWORD)
    elsewhere.state.symlink_to(small_disk)
    assert "the disk is full" in elsewhere.refused("restore", *place, **PASSWORD)
    assert not (elsewhere.state / "jupyterhub.sqlite").exists()
    message = elsewhere.refused("restore", *place, "--student=ada", **PASSWORD)
    assert "the disk is full" in message
    assert not elsewhere.home("ada").exists()


def test_a_hub_does_not_start_after_an_unfinished_restore(school: Class) -> None:
    (school.state / "restore-unfinished.json").write_text("{}")
    hub = subprocess.run(
        classroom("hub", f"--settings={school.settings}"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert hub.returncode == 1
    assert "A restore was started and has not finished: run the same classroom backup restore again" in hub.stderr


def test_a_restore_that_was_killed_is_completed_by_the_next(school: Class, elsewhere: Class, place: list[str]) -> None:
    (school.home("ada") / "big").write_bytes(os.urandom(30_000_000))
    school.done("create", *place, **PASSWORD)
    killed = elsewhere.start("restore", *place, **PASSWORD)
    journal = elsewhere.state / "restore-unfinished.json"
    wait_until(lambda: journal.exists() or killed.poll() is not None, "the restore has begun", pause=0.005)
    assert killed.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert journal.exists()
    assert not (elsewhere.state / "jupyterhub.sqlite").exists(), "the database is complete"
    elsewhere.done("restore", *place, **PASSWORD)
    assert not journal.exists()
    assert tree(elsewhere.home("ada")) == tree(school.home("ada"))
    assert len(elsewhere.rows("SELECT 1 FROM users_info")) == 9


def test_a_backup_that_was_killed_does_not_disturb_the_next(
    school: Class, elsewhere: Class, place: list[str], tmp_path: Path
) -> None:
    (school.home("ada") / "big").write_bytes(os.urandom(30_000_000))
    killed = school.start("create", *place, **PASSWORD)
    copied = school.state / "classroom-backup/secrets"
    wait_until(lambda: copied.exists() or killed.poll() is not None, "the backup has begun", pause=0.005)
    assert killed.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "class.tar.zst").exists(), "the backup is complete"
    school.done("create", *place, "--prune", **PASSWORD)
    assert not (school.state / "classroom-backup").exists()
    assert [path.name for path in tmp_path.glob(".*.part")] == []
    elsewhere.done("restore", *place, **PASSWORD)
    assert tree(elsewhere.home("ada")) == tree(school.home("ada"))


def test_a_second_restore_continues_with_the_remaining_homes(
    school: Class, elsewhere: Class, archive: list[str]
) -> None:
    school.done("create", *archive)
    elsewhere.done("restore", *archive)
    # The state after a run that was killed after the first home.
    (elsewhere.state / "jupyterhub.sqlite").unlink()
    shutil.rmtree(elsewhere.home("bob"))
    (elsewhere.home("ada") / "notes.txt").write_text("put back, and not again")
    journal = {"backup": archive[1], "done": ["classroom-home-ada"]}
    (elsewhere.state / "restore-unfinished.json").write_text(json.dumps(journal))
    elsewhere.done("restore", *archive)
    assert (elsewhere.home("ada") / "notes.txt").read_text() == "put back, and not again"
    assert (elsewhere.home("bob") / "notes.txt").read_text() == "of bob"


def test_an_interrupted_exchange_of_a_home_is_completed_by_the_next_restore(school: Class, archive: list[str]) -> None:
    school.done("create", *archive)
    # A possible state on a file system without renameat2's exchange.
    school.home("ada").rename(school.home("ada").with_name(".classroom-home-ada.before-restore"))
    school.done("restore", *archive, "--student=ada")
    assert (school.home("ada") / "notes.txt").read_text() == "of ada"
    assert [path.name for path in (school.state / "homes").iterdir() if path.name.startswith(".")] == []


def test_the_second_backup_stores_what_is_new(school: Class, repository: str) -> None:
    (school.home("ada") / "big").write_bytes(os.urandom(5_000_000))
    first = school.done("create", repository, **PASSWORD)
    school.home("eve").mkdir()
    (school.home("eve") / "new").write_text("a student more")
    second = school.done("create", repository, **PASSWORD)
    assert first["added"] > 5_000_000
    assert second["added"] < 1_000_000
    assert [backup["homes"] for backup in school.done("list", repository, **PASSWORD)] == [2, 3]


def test_old_backups_are_removed_by_the_settings(school: Class, repository: str) -> None:
    school.configure(backup={"repository": repository, "keep": {"daily": 1, "weekly": 0, "monthly": 0}})
    for _ in range(2):
        school.done("create", "--prune", **PASSWORD)
    assert len(school.done("list", **PASSWORD)) == 1


def test_a_password_is_created_once_and_printed(school: Class, elsewhere: Class, tmp_path: Path) -> None:
    need("restic")
    repository = str(tmp_path / "new")
    first = school.run("create", repository)
    assert first.returncode == 0, first.stderr
    file = school.state / "secrets/backup-password"
    assert f"On this machine it is in {file}" in first.stderr
    assert "without it nobody can restore them" in first.stderr
    assert file.read_text().strip() not in first.stderr + first.stdout, "no terminal, no password"
    assert file.stat().st_mode & 0o777 == 0o600
    again = school.run("create", repository)
    assert again.stderr == ""
    message = elsewhere.refused("restore", repository)
    assert "--password-file" in message
    elsewhere.done("restore", repository, f"--password-file={file}")
    assert elsewhere.done("list", repository), "the backup contains the password"


def test_a_wrong_password_is_reported(school: Class, repository: str, tmp_path: Path) -> None:
    school.done("create", repository, **PASSWORD)
    wrong = tmp_path / "wrong"
    wrong.write_text("another\n")
    for command in ("create", "list", "restore"):
        message = school.refused(command, repository, f"--password-file={wrong}")
        assert "the password is not this repository's" in message
        assert "--password-file" in message
    assert "none: cannot be read" in school.refused("create", repository, f"--password-file={tmp_path / 'none'}")


def test_a_missing_repository_is_reported(school: Class, tmp_path: Path) -> None:
    need("restic")
    for command in ("list", "restore"):
        assert "has no backup: create one with classroom backup create" in school.refused(
            command, str(tmp_path / "new"), **PASSWORD
        )
    assert "No target is set" in school.refused("create", **PASSWORD)
    assert "there is no such file" in school.refused("restore", "--archive", "/nowhere.tar.zst")


def test_a_directory_with_other_files_is_refused(school: Class, tmp_path: Path) -> None:
    need("restic")
    (tmp_path / "used").mkdir()
    (tmp_path / "used/thesis.tex").touch()
    assert "name a separate directory" in school.refused("create", str(tmp_path / "used"), **PASSWORD)
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("words", [["/proc/nowhere/backups"], ["--archive", "/proc/nowhere.tar.zst"]], ids=KINDS)
def test_a_target_that_cannot_be_written_is_reported(school: Class, words: list[str]) -> None:
    need("restic", "zstd")
    assert "/proc/nowhere" in school.refused("create", *words, **PASSWORD)


def test_missing_programs_are_named(school: Class, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = {"PATH": str(tmp_path / "empty")}
    assert "apt install restic" in school.refused("create", str(tmp_path / "new"), **PASSWORD, **nothing)
    assert "apt install tar" in school.refused("create", "--archive", str(tmp_path / "a.tar.zst"), **nothing)


def test_a_class_that_never_ran_has_no_backup(elsewhere: Class, tmp_path: Path) -> None:
    need("zstd")
    message = elsewhere.refused("create", "--archive", str(tmp_path / "a.tar.zst"))
    assert str(elsewhere.state) in message


def test_the_backup_of_several_machines_must_be_named(school: Class, repository: str, elsewhere: Class) -> None:
    school.done("create", repository, **PASSWORD)
    folder = school.state / "classroom-backup"
    folder.mkdir()
    foreign = ["restic", f"--repo={repository}", "backup", "--host=other", "--tag=classroom", str(folder)]
    subprocess.run(foreign, env=os.environ | PASSWORD, check=True, capture_output=True)
    message = elsewhere.refused("restore", repository, **PASSWORD)
    assert "Several machines store here" in message
    first = school.done("list", repository, **PASSWORD)[0]["id"]
    elsewhere.done("restore", repository, f"--id={first[:8]}", **PASSWORD)


def test_variables_of_the_repository_come_from_a_file(school: Class, repository: str, tmp_path: Path) -> None:
    (tmp_path / "variables").write_text("# of the store\nRESTIC_PASSWORD=of = these tests\n")
    school.configure(backup={"repository": repository, "environmentFile": str(tmp_path / "variables")})
    school.done("create")
    assert len(school.done("list", repository, **PASSWORD)) == 1


def test_a_very_deep_directory_is_replaced(school: Class, archive: list[str]) -> None:
    school.done("create", *archive)
    before = Path.cwd()
    os.chdir(school.home("ada"))
    for _ in range(1500):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(before)
    try:
        school.done("restore", *archive, "--student=ada", "--overwrite")
        assert tree(school.home("ada")).keys() == {".", "notes.txt"}
    finally:
        subprocess.run(["rm", "-rf", school.home("ada") / "d"], check=True)


def test_a_file_that_is_no_backup_is_reported(school: Class, tmp_path: Path) -> None:
    need("zstd")
    other = tmp_path / "other.tar.zst"
    subprocess.run(f"tar c -C {school.home('ada')} . | zstd -q > {other}", shell=True, check=True)  # noqa: S602
    (tmp_path / "text").write_text("text")
    for file in (other, tmp_path / "text"):
        assert "is no backup" in school.refused("restore", "--archive", str(file))


def test_an_archive_replaces_a_file_only_with_the_option(school: Class, archive: list[str], tmp_path: Path) -> None:
    assert f"--archive {tmp_path}/class.tar.zst" in school.refused("create", "--archive", str(tmp_path))
    file = Path(archive[1])
    file.write_text("a thesis")
    assert "add --overwrite" in school.refused("create", *archive)
    assert file.read_text() == "a thesis"
    school.done("create", *archive, "--overwrite")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "one backup goes to one place" in school.refused("create", "/backups", *archive)


def test_the_last_backup_is_recorded(school: Class, archive: list[str]) -> None:
    made = school.done("create", *archive)
    last = read_last_backup(school.state)
    assert last == LastBackup(last.made if last else "", made["where"], archive=True, problems=())
    assert last.age(datetime.now(UTC)) < timedelta(minutes=2)
    shutil.rmtree(school.state)
    assert read_last_backup(school.state) is None


@pytest.fixture
def folders(school: Class, tmp_path: Path) -> Path:
    """Keep the homes as directories below storage.path, for containers of an engine that is down."""
    if os.geteuid() != 0:
        pytest.skip("homes of containers are root's to read")
    homes = tmp_path / "homes"
    school.home("ada").parent.rename(homes)
    homes.chmod(0o711)
    school.configure(
        spawner="docker",
        storage={"kind": "directory", "path": str(homes)},
        docker={"host": f"unix://{tmp_path}/engine.sock"},
    )
    return homes


def test_home_directories_are_saved_while_the_engine_is_down(
    school: Class, elsewhere: Class, folders: Path, archive: list[str]
) -> None:
    os.chown(folders / "classroom-home-ada/notes.txt", 1000, 100)
    (folders / "another").mkdir()
    assert school.done("create", *archive)["homes"] == 2
    elsewhere.done("restore", *archive)
    assert tree(elsewhere.home("ada")) == tree(folders / "classroom-home-ada")


def test_a_project_number_is_not_restored(school: Class, elsewhere: Class, repository: str) -> None:
    try:
        os.setxattr(school.home("ada"), PROJECT_ATTRIBUTE, b"268435456")
    except OSError as error:
        pytest.skip(f"this file system keeps no trusted attribute: {error.strerror}")
    school.done("create", repository, **PASSWORD)
    elsewhere.done("restore", repository, **PASSWORD)
    assert PROJECT_ATTRIBUTE not in os.listxattr(elsewhere.home("ada"))


def test_an_unmounted_disk_is_an_error(school: Class, folders: Path, archive: list[str]) -> None:
    school.done("create", *archive)
    folders.rename(folders.with_name("elsewhere"))
    for words in (["create", "--overwrite"], ["restore", "--overwrite"]):
        message = school.refused(*words, *archive)
        assert f"storage.path {folders} cannot be opened" in message or "only it knows whose servers run" in message


def test_a_stopped_engine_is_reported(school: Class, folders: Path, archive: list[str], tmp_path: Path) -> None:
    school.done("create", *archive)
    for words in (["restore", "--overwrite"], ["restore", "--student=ada", "--overwrite"]):
        message = school.refused(*words, *archive)
        assert "only it knows whose servers run: systemctl start docker" in message
    assert (folders / "classroom-home-ada/notes.txt").read_text() == "of ada"
    school.configure(spawner="docker", docker={"host": f"unix://{tmp_path}/engine.sock"})
    message = school.refused("create", *archive, "--overwrite")
    assert "only it knows where homes are: systemctl start docker" in message
