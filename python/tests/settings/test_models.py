from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classroom.errors import ClassroomError
from classroom.settings.file import json_schema, load_settings
from classroom.settings.models import Settings


def load(tmp_path: Path, data: object, environment: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(data))
    return load_settings(file, environment or {})


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    assert settings == Settings()
    assert str(settings.network.gateway) == "10.213.0.1"


def test_toml_and_json_give_the_same_settings(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('admins = ["teacher"]\n[student]\nmemory = "8G"\n')
    assert load_settings(file, {}) == load(tmp_path, {"admins": ["teacher"], "student": {"memory": "8G"}})


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("60m", 3600), ("2h", 7200), ("1d", 86400), (5, 5)])
def test_durations_are_read_in_their_units(tmp_path: Path, written: object, seconds: int) -> None:
    assert load(tmp_path, {"culling": {"idle": written}}).culling.idle == seconds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"admns": ["t"]}, "admns: no such setting; did you mean admins?"),
        ({"culling": {"idel": 5}}, "culling.idel: no such setting; did you mean idle?"),
        ({"admins": ["Bad Name"]}, "admins.0: write a name of at most 32 lower-case letters"),
        ({"student": {"memory": "4 GB"}}, 'student.memory: write a size such as "512M" or "4G", not "4 GB"'),
        ({"student": {"environment": {"LD_PRELOAD": "x"}}}, "environment.LD_PRELOAD is not yours to set"),
        (
            {"student": {"environment": {"GRANT_SUDO": "yes"}}},
            "environment.GRANT_SUDO has no effect: containers run as",
        ),
        ({"groups": {"ml": {"environment": {"NB_UID": "1234"}}}}, "environment.NB_UID has no effect"),
        ({"site": {"externalUrl": "", "origins": "each"}}, "needs the host name of the hub: set externalUrl"),
        ({"site": {"externalUrl": "http://10.0.0.5/", "origins": "each"}}, "a host name in externalUrl"),
        ({"site": {"externalUrl": "https://c.org/", "origins": "two"}}, "needs a second host name: set serversUrl"),
        (
            {"site": {"externalUrl": "https://c.org/", "origins": "two", "serversUrl": "https://s.org:8443/"}},
            "serversUrl needs the scheme and the port of externalUrl",
        ),
        ({"gpu": {"policy": "devices"}}, 'write devices = ["0"]'),
        ({"gpu": {"policy": "all", "devices": ["0"]}}, "leave devices out"),
        ({"gpu": {"longestLease": "10m"}}, 'write longestLease = "20m" or more'),
        ({"gpu": {"idle": "5m"}}, 'write idle = "20m" or more'),
        ({"storage": {"kind": "directory"}}, 'storage: kind "directory" needs a path: write path = "/srv/homes"'),
        ({"storage": {"quota": "10G"}}, 'write kind = "directory" or leave them out'),
        ({"storage": {"kind": "directory", "path": "homes"}}, "path must begin at the root"),
        ({"storage": {"kind": "directory", "path": "/a/../b"}}, "path must begin at the root"),
        (
            {"storage": {"kind": "directory", "path": "/h", "files": 5000}},
            'files needs a quota: write quota = "10G"',
        ),
        ({"storage": {"kind": "directory", "path": "/h", "quota": "lots"}}, "storage.quota: write a size such as"),
        (
            {"spawner": "process", "storage": {"kind": "directory", "path": "/h"}},
            'leave it out or write spawner = "docker"',
        ),
        ({"network": {"subnet": "10.0.0.0/30"}}, "network: subnet holds fewer than 13 containers"),
        ({"network": {"subnet": "10.0.0.7/24"}}, "network.subnet:"),
        ({"network": {"subnet": 10}}, 'network.subnet: write an address in quotes, such as "10.0.5.0"'),
        ({"network": {"resolvers": [True]}}, "write an address in quotes"),
        ({"hub": {"listen": "unix:/x"}}, "hub.listen: the hub listens on TCP"),
        ({"hub": {"listen": "127.0.0.1:99999"}}, 'write "unix:/path/to/socket" or "address:port"'),
        (
            {"site": {"externalUrl": "https://x.org/class/"}},
            'not below a path: write only the host name, "https://x.org/"',
        ),
        ({"site": {"externalUrl": "class.example.org"}}, "write the address that browsers use"),
        ({"accounts": {"passwordLength": 4}}, "accounts.passwordLength: write 8 or more, not 4"),
        ([], "must contain an object"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_mistake_is_reported_with_its_path_and_the_remedy(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(ClassroomError) as error:
        load(tmp_path, data)
    assert message in str(error.value)


def test_every_mistake_has_a_line_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError) as error:
        load(tmp_path, {"a": 1, "b": 2})
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("\x00", "not valid JSON")])
def test_a_file_that_is_not_json_is_reported(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(ClassroomError, match=message):
        load_settings(file, {})


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ClassroomError, match="name a readable settings file"):
        load_settings(tmp_path / "none.json", {})


def test_variables_of_the_docker_stacks_that_change_nothing_are_allowed(tmp_path: Path) -> None:
    same = {"NB_USER": "jovyan", "NB_UID": "1000", "NB_GID": "100", "GRANT_SUDO": "no", "NB_UMASK": "027"}
    assert load(tmp_path, {"student": {"environment": same}}).student.environment == same


def test_the_original_environment_variables_win(tmp_path: Path) -> None:
    environment = {
        "DOCKER_NETWORK_NAME": "jupyter",
        "JUPYTERHUB_EXTERNAL_URL": "https://class.example.org",
        "JUPYTERHUB_LOG_LEVEL": "debug",
    }
    settings = load(tmp_path, {"site": {"logLevel": "ERROR"}}, environment)
    assert settings.network.name == "jupyter"
    assert settings.site.external_url == "https://class.example.org/"
    assert settings.site.log_level == "DEBUG"


def test_settings_written_out_are_read_back_the_same(tmp_path: Path) -> None:
    settings = load(tmp_path, {"student": {"memory": "6G", "tmp": 1000}, "culling": {"idle": "90s", "kernelIdle": 0}})
    written = settings.model_dump(mode="json", by_alias=True)
    assert written["student"]["memory"] == "6G"
    assert written["culling"]["idle"] == "90s"
    assert load(tmp_path, written) == settings


def test_the_schema_describes_every_setting() -> None:
    schema = json_schema()
    sections = {"Settings": schema} | schema["$defs"]
    missing = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, value in section["properties"].items()
        if not value.get("description") and "$ref" not in value and name != "Settings"
    ]
    assert missing == []
    assert schema["additionalProperties"] is False


def test_the_example_settings_of_the_docs_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/settings.md").read_text()
    file = tmp_path / "settings.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert load_settings(file, {}).admins == ("teacher",)


def test_a_file_of_an_editor_on_windows_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b'\xef\xbb\xbf{"admins": ["teacher"]}')
    assert load_settings(file, {}).admins == ("teacher",)


def test_an_index_of_a_gpu_may_be_a_number(tmp_path: Path) -> None:
    assert load(tmp_path, {"gpu": {"policy": "devices", "devices": [0, "1"]}}).gpu.devices == ("0", "1")


def refusal(tmp_path: Path, data: object) -> str:
    """Return the message about settings with a mistake; empty if there is none."""
    try:
        load(tmp_path, data)
    except ClassroomError as error:
        return str(error)
    return ""


def leaves(schema: dict[str, Any], part: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in part["properties"].items():
        if "$ref" in value:
            yield from leaves(schema, schema["$defs"][value["$ref"].rsplit("/", 1)[1]], (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("path", list(leaves(json_schema(), json_schema())), ids=".".join)
def test_a_wrong_value_is_explained_in_our_own_words(tmp_path: Path, path: tuple[str, ...]) -> None:
    for value in (None, True, -1, 1.5, 10**30, "", "x" * 300, "\ud800", [], [[]], {}, {"x": {}}):
        data: object = value
        for key in reversed(path):
            data = {key: data}
        text = refusal(tmp_path, data)
        assert not re.search(r"Input|should|Field required|valid (string|integer|number|boolean|tuple|list)", text)
