"""NixOS options and settings of the program: they have the same names and defaults."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest
from pydantic import Field

from classroom.settings.file import json_schema
from classroom.settings.models import Culling, Group, Settings
from classroom.settings.nix_options import render_nix_options
from classroom.settings.types import Duration
from nix.evaluation import HERE, REPOSITORY, NixError, evaluate

# Settings without an option, and the reason.
FIXED = {
    ("paths", "state"): "systemd's StateDirectory",
    ("paths", "runtime"): "systemd's RuntimeDirectory",
    ("paths", "images"): "the unit's RuntimeDirectory that loads the images",
    ("proxy", "command"): "the option proxy.package",
    ("spawner",): "the module is about containers",
    ("docker", "host"): "the module configures the engine",
    ("docker", "filter"): "the module starts the filter",
    ("storage", "helper"): "the module's socket unit",
    ("gpu", "samples"): "the module's unit",
    ("gpu", "mps", "folder"): "the module's unit",
}

# Options whose default depends on other options; the hosts of tests/hosts show them.
COMPUTED = {
    ("site", "externalUrl"): "of the domain",
    ("site", "origins"): "of the host names",
    ("site", "serversUrl"): "of serversDomain",
    ("student", "image"): "the image that Nix builds",
}

# Options for NixOS only: the first word of the path, or the complete path.
NIXOS = {
    ("enable",), ("stateVersion",), ("package",), ("domain",), ("serversDomain",), ("image",), ("images",),
    ("nginx",), ("tls",), ("tunnel",), ("secrets",),
    ("backup", "schedule"), ("metrics",), ("settings",), ("settingsFile",), ("gpu", "driver"), ("proxy", "package"),
}  # fmt: skip

Path = tuple[str, ...]


def leaves(model: dict[str, Any], schema: dict[str, Any], path: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for key, value in model["properties"].items():
        below = value.get("additionalProperties", {})
        if "$ref" in value:
            found |= leaves(schema["$defs"][value["$ref"].rsplit("/", 1)[1]], schema, (*path, key))
        else:
            found.add((*path, key))
        if "$ref" in below:
            found |= leaves(schema["$defs"][below["$ref"].rsplit("/", 1)[1]], schema, (*path, key, "<name>"))
    return found


@pytest.fixture(scope="module")
def settings() -> set[Path]:
    schema = json_schema()
    return leaves(schema, schema)


@pytest.fixture(scope="module")
def options() -> dict[Path, dict[str, Any]]:
    return {tuple(option["path"]): option for option in evaluate("t.options")}


def test_every_setting_has_an_option(settings: set[Path], options: dict[Path, dict[str, Any]]) -> None:
    assert settings - set(FIXED) - set(options) == set()


def test_every_option_has_a_setting_or_is_for_nixos_only(
    settings: set[Path], options: dict[Path, dict[str, Any]]
) -> None:
    shared = {path for path in options if not any(path[: len(own)] == own for own in NIXOS)}
    assert shared - settings == set()


def test_every_exception_in_the_list_exists(settings: set[Path], options: dict[Path, dict[str, Any]]) -> None:
    assert set(FIXED) <= settings
    assert set(COMPUTED) <= set(options)
    assert all(any(path[: len(own)] == own for path in options) for own in NIXOS)


def test_options_and_settings_have_the_same_defaults(settings: set[Path]) -> None:
    paths = sorted(path for path in settings - set(FIXED) - set(COMPUTED) if "<name>" not in path)
    listed = " ".join("[ " + " ".join(f'"{part}"' for part in path) + " ]" for path in paths)
    given: dict[str, Any] = {}
    for path, value in zip(paths, evaluate(f"t.defaults [ {listed} ]"), strict=True):
        section = given
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = value
    assert Settings.model_validate(given, by_name=False) == Settings()


def test_a_group_of_options_is_a_group_of_settings() -> None:
    found = evaluate('t.value { services.classroom.groups.ml = { }; } [ "groups" "ml" ]')
    assert Group.model_validate(found, by_name=False) == Group()


class MoreCulling(Culling):
    """The section `culling` with one more setting."""

    patience: Duration = Field(default=90, examples=["2m"])
    """How long a server may be idle after a warning."""


class MoreSettings(Settings):
    """Settings in which one field was added, as in models.py."""

    culling: MoreCulling = MoreCulling()


def test_a_setting_added_to_the_models_is_an_option_and_reaches_settings_json(tmp_path: pathlib.Path) -> None:
    modules = tmp_path / "modules"
    shutil.copytree(REPOSITORY / "modules", modules)
    shutil.copytree(REPOSITORY / "nix", tmp_path / "nix")
    shutil.copytree(REPOSITORY / "python/locks/npm", tmp_path / "python/locks/npm")
    (modules / "options/generated.nix").write_text(render_nix_options(MoreSettings), encoding="utf-8")
    t = f"import {HERE} {{ modules = {modules}; }}"
    given = "{ services.classroom.culling.patience = 5; }"
    assert evaluate(f'({t}).defaults [ [ "culling" "patience" ] ]') == ["90s"]
    assert evaluate(f'({t}).value {given} [ "culling" "patience" ]') == 5
    assert evaluate(f"({t}).rendered {given}")["culling"]["patience"] == 5
    options = {tuple(option["path"]): option for option in evaluate(f"({t}).options")}
    assert options["culling", "patience"]["description"] == "How long a server may be idle after a warning."
    with pytest.raises(NixError, match="duration such as"):
        evaluate(f'({t}).value {{ services.classroom.culling.patience = "soon"; }} [ "culling" "patience" ]')


def test_settings_json_has_every_setting() -> None:
    def keys(value: object) -> object:
        return {key: keys(below) for key, below in value.items()} if isinstance(value, dict) else None

    rendered = evaluate("t.rendered { }")
    assert keys(rendered | {"images": {}}) == keys(Settings().model_dump(mode="json", by_alias=True))


def test_every_option_is_described(options: dict[Path, dict[str, Any]]) -> None:
    assert [path for path, option in options.items() if not (option["description"] or "").strip()] == []
