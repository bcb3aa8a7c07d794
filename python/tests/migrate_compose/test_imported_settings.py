from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose import imported_settings, stock_accounts
from classroom.migrate_compose.imported_settings import ImportedSettings, as_lines
from classroom.migrate_compose.project_files import find
from classroom.settings.models import Settings

KEY = "6d1f" * 16


def read(folder: Path, *, with_database: bool = True, **settings: Any) -> ImportedSettings:
    original = find(folder, None, None, None)
    known = stock_accounts.read(folder / "data/jupyterhub.sqlite") if with_database else ()
    return imported_settings.read(original, known, Settings.model_validate(settings))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("JUPYTERHUB_EXTERNAL_URL=https://gpu.example.org", {"site": {"externalUrl": "https://gpu.example.org/"}}),
        ("export JUPYTERHUB_LOG_LEVEL='debug' # loud", {"site": {"logLevel": "DEBUG"}}),
        ('JUPYTERHUB_LOG_LEVEL="CRITICAL"', {"site": {"logLevel": "ERROR"}}),
        ("JUPYTERHUB_LOG_LEVEL=INFO", {}),
        ("# JUPYTERHUB_LOG_LEVEL=DEBUG\nJUPYTERHUB_EXTERNAL_URL=\n", {}),
    ],
)
def test_variables_become_settings_where_those_do_not_say_it(folder: Path, text: str, wanted: dict[str, Any]) -> None:
    (folder / ".env").write_text(text)
    assert read(folder, admins=["teacher"]).settings == wanted


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (KEY, (KEY,)),
        (f"{KEY};{KEY[::-1]}", (KEY, KEY[::-1])),
        ("CHANGE_ME_GENERATE_RANDOM_HEX_KEY", ()),
        ("short", ()),
        ("", ()),
    ],
)
def test_the_key_comes_along_if_it_is_one(folder: Path, given: str, keys: tuple[str, ...]) -> None:
    (folder / ".env").write_text(f"JUPYTERHUB_CRYPT_KEY={given}\n")
    found = read(folder)
    assert found.crypt_keys == keys
    assert any("is no key" in note for note in found.notes) == (given == "short")


def test_what_stays_behind_is_said(folder: Path) -> None:
    (folder / ".env").write_text("DOCKER_NETWORK_NAME=jupyterhub-network\nCLOUDFLARE_TUNNEL_TOKEN=eyJh\n")
    notes = "\n".join(read(folder).notes)
    assert "docker network rm jupyterhub-network" in notes
    assert "tunnel.credentialsFile" in notes
    (folder / ".env").write_text("CLOUDFLARE_TUNNEL_TOKEN=YOUR_CLOUDFLARE_TUNNEL_TOKEN_HERE\n")
    assert read(folder).notes == ()


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("{'Count': -1, 'Capabilities': [['gpu']]}", {"gpu": {"policy": "all"}}),
        ("{'Count': 1}", {"gpu": {"policy": "exclusive"}}),
        ("{'Count': 2}", {"gpu": {"policy": "exclusive", "perStudent": 2}}),
        ("{'DeviceIDs': ['0', 1]}", {"gpu": {"policy": "devices", "devices": ["0", "1"]}}),
        ("{'Count': os.environ['N']}", {}),
    ],
)
def test_gpus_become_a_policy(folder: Path, request_: str, wanted: dict[str, Any]) -> None:
    (folder / "config/jupyterhub_config.py").write_text(
        f"c.X.extra_host_config = {{'device_requests': [{request_}]}}\n"
    )
    assert read(folder, admins=["teacher"]).settings == wanted


def test_limits_become_settings(folder: Path) -> None:
    text = "c.X.extra_host_config = {'mem_limit': '16g', 'cpu_quota': 300000, 'cpu_period': 100000}\n"
    (folder / "config/jupyterhub_config.py").write_text(text)
    assert read(folder, admins=["teacher"]).settings == {"student": {"memory": "16G", "cpus": 3.0}}
    assert read(folder, admins=["teacher"], student={"memory": "16G", "cpus": 3}).settings == {}


def test_a_configuration_that_cannot_be_read_is_said_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "config/jupyterhub_config.py").write_text("c.Spawner.mem_limit = '16g\n")
    found = read(folder)
    assert any("is not Python" in note for note in found.notes)
    assert found.settings == {"admins": ["teacher"]}


def test_students_files_elsewhere_are_named(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "notebooks"
    (folder / "config/jupyterhub_config.py").write_text(f"STUDENT_DATA_PATH = '{place}'\n")
    assert not any("--notebooks" in note for note in read(folder).notes), "it is not on this machine"
    place.mkdir()
    assert any(f"{place}: to take those name it with --notebooks" in note for note in read(folder).notes)


USERS = "# Admin users (one per line)\n{admins}\n\n# Regular users (optional)\n{students}\n"


@pytest.mark.parametrize(
    ("admins", "students", "wanted", "said"),
    [
        ("teacher", "", ["teacher"], ""),
        ("", "", ["teacher"], ""),
        ("prof", "", ["teacher", "prof"], ""),
        ("ada", "", ["teacher"], "ada is in config/users.txt and was no admin"),
        ("", "new", ["teacher"], "without an account: new; run classroom users add NAME"),
        ("Prof. X", "", ["teacher"], "No instructor can be called Prof. X"),
    ],
    ids=["both", "the database", "not yet signed up", "a student", "a new student", "an odd name"],
)
def test_instructors_are_who_was_an_admin(
    folder: Path, admins: str, students: str, wanted: list[str], said: str
) -> None:
    """JupyterHub went by its database; the file, which the original's script fills with students, gives no rights."""
    (folder / "config/users.txt").write_text(USERS.format(admins=admins, students=students))
    found = read(folder)
    assert found.settings["admins"] == wanted
    assert said in "\n".join(found.notes)


def test_without_a_database_the_files_say_who_is_an_instructor(folder: Path) -> None:
    (folder / "config/users.txt").write_text(USERS.format(admins="prof", students="ada"))
    assert read(folder, with_database=False).settings["admins"] == ["prof", "teacher"]
    assert read(folder, with_database=False, admins=["prof", "teacher"]).settings == {}


def test_a_file_in_another_encoding_is_said(folder: Path) -> None:
    (folder / "config/users.txt").write_bytes("müller\n".encode("latin-1"))
    with pytest.raises(ClassroomError, match=r"users.txt: cannot be read .*save the file as UTF-8"):
        read(folder)


def test_the_lines_are_what_the_operator_writes() -> None:
    wanted = {"admins": ["a", "${b}"], "site": {"logLevel": "DEBUG"}, "gpu": {"perStudent": 2}}
    assert json.loads("\n".join(as_lines(wanted, "json"))) == wanted
    assert tomllib.loads("\n".join(as_lines(wanted, "toml"))) == wanted
    assert as_lines(wanted, "nix") == [
        "services.classroom = {",
        '  admins = [ "a" "\\${b}" ];',
        '  site.logLevel = "DEBUG";',
        "  gpu.perStudent = 2;",
        "};",
    ]
