from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose import stock_accounts
from classroom.migrate_compose.imported_settings import (
    ImportedSettings,
    add_crypt_keys,
    format_settings,
    import_settings,
)
from classroom.migrate_compose.project_files import find_project
from classroom.settings.models import Settings

KEY, OLD = "6d1f" * 16, "cd" * 32


def read(folder: Path, *, with_database: bool = True, **settings: Any) -> ImportedSettings:
    project = find_project(folder, None, None, None)
    accounts = stock_accounts.read_accounts(folder / "data/jupyterhub.sqlite") if with_database else ()
    return import_settings(project, accounts, Settings.model_validate(settings))


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
def test_variables_become_settings_that_the_file_does_not_have(folder: Path, text: str, wanted: dict[str, Any]) -> None:
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
def test_a_valid_encryption_key_is_kept(folder: Path, given: str, keys: tuple[str, ...]) -> None:
    (folder / ".env").write_text(f"JUPYTERHUB_CRYPT_KEY={given}\n")
    found = read(folder)
    assert found.crypt_keys == keys
    assert any("is not a key" in note for note in found.notes) == (given == "short")


def test_variables_that_are_not_migrated_are_reported(folder: Path) -> None:
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


def test_an_invalid_configuration_is_reported_and_the_rest_is_imported(folder: Path) -> None:
    (folder / "config/jupyterhub_config.py").write_text("c.Spawner.mem_limit = '16g\n")
    found = read(folder)
    assert any("is not valid Python" in note for note in found.notes)
    assert found.settings == {"admins": ["teacher"]}


def test_another_directory_of_students_files_is_reported(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "notebooks"
    (folder / "config/jupyterhub_config.py").write_text(f"STUDENT_DATA_PATH = '{place}'\n")
    assert not any("--notebooks" in note for note in read(folder).notes), "it is not on this machine"
    place.mkdir()
    assert any(f"{place}: add --notebooks {place} to migrate those" in note for note in read(folder).notes)


USERS = "# Admin users (one per line)\n{admins}\n\n# Regular users (optional)\n{students}\n"


@pytest.mark.parametrize(
    ("admins", "students", "wanted", "message"),
    [
        ("teacher", "", ["teacher"], ""),
        ("", "", ["teacher"], ""),
        ("prof", "", ["teacher", "prof"], ""),
        ("ada", "", ["teacher"], "ada is in config/users.txt and was not an admin"),
        ("", "new", ["teacher"], "have no account: new; run classroom users add NAME"),
        ("Prof. X", "", ["teacher"], "An instructor cannot have the name Prof. X"),
    ],
    ids=["both", "the database", "not yet signed up", "a student", "a new student", "an odd name"],
)
def test_admins_of_jupyterhub_become_instructors(
    folder: Path, admins: str, students: str, wanted: list[str], message: str
) -> None:
    """JupyterHub used its database; config/users.txt also lists students and gives no rights."""
    (folder / "config/users.txt").write_text(USERS.format(admins=admins, students=students))
    found = read(folder)
    assert found.settings["admins"] == wanted
    assert message in "\n".join(found.notes)


def test_without_a_database_the_files_name_the_instructors(folder: Path) -> None:
    (folder / "config/users.txt").write_text(USERS.format(admins="prof", students="ada"))
    assert read(folder, with_database=False).settings["admins"] == ["prof", "teacher"]
    assert read(folder, with_database=False, admins=["prof", "teacher"]).settings == {}


def test_a_file_in_another_encoding_is_an_error(folder: Path) -> None:
    (folder / "config/users.txt").write_bytes("müller\n".encode("latin-1"))
    with pytest.raises(ClassroomError, match=r"users.txt: cannot be read .*save the file as UTF-8"):
        read(folder)


def test_settings_are_formatted_as_the_operator_writes_them() -> None:
    wanted = {"admins": ["a", "${b}"], "site": {"logLevel": "DEBUG"}, "gpu": {"perStudent": 2}}
    assert json.loads("\n".join(format_settings(wanted, "json"))) == wanted
    assert tomllib.loads("\n".join(format_settings(wanted, "toml"))) == wanted
    assert format_settings(wanted, "nix") == [
        "services.classroom = {",
        '  admins = [ "a" "\\${b}" ];',
        '  site.logLevel = "DEBUG";',
        "  gpu.perStudent = 2;",
        "};",
    ]


def test_the_hub_decrypts_with_the_old_key_and_encrypts_with_its_own(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "crypt-key"
    file.parent.mkdir()
    file.write_text(f"{KEY}\n")
    assert "second key" in add_crypt_keys(tmp_path, [OLD])
    assert file.read_text() == f"{KEY};{OLD}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert add_crypt_keys(tmp_path, [OLD]) == "", "a second call changes nothing"
    assert add_crypt_keys(tmp_path, []) == ""


def test_an_operator_with_another_key_file_is_told_to_add_the_key(tmp_path: Path) -> None:
    assert "secrets.cryptKey" in add_crypt_keys(tmp_path, [OLD])
